"""Every page and heading that the project refers to is in this repository."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.unit.test_repository import FILES, ROOT

PAGES: Final = [path for path in FILES if path.suffix == ".md"]
SOURCES: Final = [
    path
    for path in FILES
    if path.suffix in {".py", ".lua", ".toml", ".yaml", ".jinja"} or path.name == "Makefile"
    if path != Path(__file__)  # it holds references to nothing, to see that they are found
]
OTHER_PAGES: Final = {"doc/langdef.md", "page.md"}
"""A page of the CEL specification, and one that a test makes for itself."""

OUTSIDE: Final = re.compile(r"\b(?:DESIGN|LEDGER|STYLE)(?:\.md|'s\b)|\.\./shared")
CITED: Final = re.compile(r"(?<![\w./:-])(?:[\w.-]+/)*[\w-]+\.md\b|(?<![\w./:-])docs/decisions/\d{4}\b")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(page: str) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^(```|~~~).*?^\1", "", page, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> list[str]:
    """The headings as a reader sees them: without marks, and of a link only its text."""
    found = re.findall(r"^#{1,6} +(.+?) *#*$", without_code(page), re.MULTILINE)
    return [re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading) for heading in found]


def anchors(page: str) -> set[str]:
    """GitHub's anchors: lower case, no punctuation, hyphens for spaces, repeats numbered."""
    made: set[str] = set()
    for heading in headings(page):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        numbered = (f"{anchor}-{count}" for count in range(1, 100))
        made.add(anchor if anchor not in made else next(one for one in numbered if one not in made))
    return made


@cache
def page_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def broken_links(page: Path, text: str) -> list[str]:
    links = re.findall(r"\]\(<?([^)\s>]+)>?\)", without_code(text))
    return [link for link in links if not re.match(r"[a-z]+:", link) and not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    if not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(page_text(target)))


def broken_citations(path: Path, text: str) -> list[str]:
    """Pages that are not there, and headings that their page does not have: `docs/NAME.md, Heading`."""
    broken = []
    for match in CITED.finditer(text):
        cited = match.group()
        if cited in OTHER_PAGES:
            continue
        page = page_of(path, cited)
        heading = heading_after(text, match.end())
        if page is None or (heading and not begins_with_a_heading(heading, page_text(page))):
            broken.append(cited + (f", {heading[:40]}" if page else ""))
    return broken


def page_of(path: Path, cited: str) -> Path | None:
    """A page is cited from the root, from docs/, or from its own folder. A decision also by its number."""
    if re.fullmatch(r"docs/decisions/\d{4}", cited):
        return next(ROOT.glob(f"{cited}-*.md"), None)
    places = (ROOT / cited, ROOT / "docs" / cited, path.parent / cited)
    return next((place for place in places if place.is_file()), None)


def heading_after(text: str, at: int) -> str:
    """The words after `docs/NAME.md, ` if they begin like a heading; they may continue on the next line."""
    following = re.sub(r"\s*\n\s*(?:#|--|\*)?\s*", " ", text[at : at + 200])
    found = re.match(r'`?, "?([A-Z].*)', following)
    return found.group(1) if found else ""


def begins_with_a_heading(words: str, page: str) -> bool:
    return any(re.match(re.escape(heading) + r"(?!\w)", words) for heading in headings(page))


def broken_paths(page: Path, text: str) -> list[str]:
    """Files and folders in backticks that are not there, of those that begin at the root."""
    paths = re.findall(r"`((?:deploy|docs|engine|schemas|services|tests)/[\w./-]*)`", without_code(text))
    return [path for path in paths if not (ROOT / path).exists()]


def broken_names(_: Path, text: str) -> list[str]:
    """Names that their file does not have: "`NAME` in `FILE`", "`NAME` of `FILE`", from the root."""
    named = re.findall(r"`([A-Za-z_][\w.]*)` (?:in|of)\s+`([\w./-]+\.(?:py|lua))`", text)
    named = [(symbol, file) for symbol, file in named if (ROOT / file).is_file()]
    return [
        f"{symbol} in {file}"
        for symbol, file in named
        if not re.search(rf"\b{symbol.split('.')[-1]}\b", page_text(ROOT / file))
    ]


def found(check: Callable[[Path, str], list[str]], paths: Iterable[Path]) -> dict[str, list[str]]:
    """What a check finds, by file."""
    return {name(path): flaws for path in paths if (flaws := check(path, page_text(path)))}


def test_every_link_in_a_page_leads_to_a_file_and_a_heading() -> None:
    assert found(broken_links, PAGES) == {}


@pytest.mark.parametrize("link", ["nowhere.md", "docs/faults.md#nothing", "#nothing", "Makefile#nothing"])
def test_a_link_to_nothing_is_found(link: str) -> None:
    assert broken_links(ROOT / "README.md", f"[there]({link})") == [link]


def test_a_link_in_an_example_is_no_link() -> None:
    assert broken_links(ROOT / "README.md", "```\n[there](nowhere.md)\n```\n") == []


def test_anchors_are_made_as_github_makes_them() -> None:
    page = (
        "# What's *new*, in `1.0`?\n## A: b - c\n## Same\n## Same\n```\n# a comment\n```\n## [Link](x.md)\n"
    )

    assert anchors(page) == {"whats-new-in-10", "a-b---c", "same", "same-1", "link"}


def test_every_file_that_a_page_names_is_there() -> None:
    held_by_its_own_test = ROOT / "docs" / "architecture.md"

    assert found(broken_paths, set(PAGES) - {held_by_its_own_test}) == {}


def test_a_file_that_is_not_there_is_found() -> None:
    assert broken_paths(ROOT / "README.md", "`tests/unit/test_nothing.py`") == ["tests/unit/test_nothing.py"]


def test_every_name_that_a_page_gives_is_in_its_file() -> None:
    assert found(broken_names, PAGES) == {}


def test_a_name_that_is_not_in_its_file_is_found() -> None:
    assert broken_names(ROOT / "README.md", "`nothing` in `engine/propose.py`") == [
        "nothing in engine/propose.py"
    ]


def test_every_page_and_heading_that_is_cited_is_there() -> None:
    assert found(broken_citations, SOURCES) == {}


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("see docs/faults.md", []),
        ("(docs/faults.md, Zombie)", []),
        ("(docs/faults.md,\n    # Zombie)", []),
        ("docs/decisions/0006, and", []),
        ("docs/nowhere.md", ["docs/nowhere.md"]),
        ("(docs/faults.md, Nothing)", ["docs/faults.md, Nothing)"]),
        ("(docs/faults.md,\n-- Nothing)", ["docs/faults.md, Nothing)"]),
        ("docs/decisions/9999", ["docs/decisions/9999"]),
    ],
)
def test_a_citation_of_nothing_is_found(text: str, broken: list[str]) -> None:
    assert broken_citations(ROOT / "engine" / "propose.py", text) == broken


def outside_pages(_: Path, text: str) -> list[str]:
    return OUTSIDE.findall(text)


def test_no_file_cites_a_page_outside_the_repository() -> None:
    assert found(outside_pages, set(FILES) - {Path(__file__)}) == {}


@pytest.mark.parametrize("words", ["DESIGN.md, Words", "LEDGER's table", "../shared/data"])
def test_a_page_outside_the_repository_is_found(words: str) -> None:
    assert OUTSIDE.search(words)


def outside_folders(path: Path, text: str) -> list[str]:
    """Folders above the root, as code reaches them: `Path(__file__).parents[9]`, `ROOT.parent`."""
    depth = len(path.relative_to(ROOT).parts)
    parents = re.findall(r"__file__\)\.parents\[(\d+)\]", text)
    return [f"parents[{count}]" for count in parents if int(count) >= depth] + re.findall(
        r"\bROOT\.parent\b", text
    )


def test_no_code_reads_outside_the_repository() -> None:
    assert found(outside_folders, SOURCES) == {}


@pytest.mark.parametrize("code", ["Path(__file__).parents[3]", "ROOT.parent / 'data'"])
def test_code_that_reads_outside_the_repository_is_found(code: str) -> None:
    assert outside_folders(ROOT / "tests" / "unit" / "test_x.py", code)
