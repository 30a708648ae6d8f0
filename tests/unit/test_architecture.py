"""docs/architecture.md: what no linter holds of it, and that each name it gives is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "architecture.md").read_text()
PURE: Final = sorted(
    path
    for files in (
        "engine/**/*.py",
        "services/intake/reading/**/*.py",
        "services/intake/connectors/*/mapping.py",
        "services/notifier/planning/**/*.py",
        "services/notifier/letters/**/*.py",
    )
    for path in ROOT.glob(files)
)

OUTSIDE: Final = {
    "asyncio", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "socket", "subprocess",
    "structlog", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
ASKS: Final = {"open", "input", "print", "now", "utcnow", "today", "uuid7"}
"""Functions and methods that answer something else each time, or reach outside."""


def impurities(source: str) -> list[str]:
    return [f"line {line}: {what}" for node in ast.walk(ast.parse(source)) for line, what in _of(node)]


def _of(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield node.lineno, "awaits"
        case ast.Import(names=names):
            yield from ((node.lineno, each.name) for each in names if each.name.split(".")[0] in OUTSIDE)
        case ast.ImportFrom(module=str(module), names=names):
            asked = [module.split(".")[0], *(each.name for each in names)]
            yield from ((node.lineno, each) for each in asked if each in OUTSIDE | {"uuid7"})
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in ASKS:
            yield node.lineno, name


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_room_awaits_nothing_and_asks_for_no_clock_chance_or_file(path: Path) -> None:
    assert impurities(path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "async def f(): ...",
        "import time",
        "from random import choice",
        "from os.path import join",
        "from schemas.ids import uuid7",
        "datetime.now(UTC)",
        "open('x')",
        "folder.open()",
    ],
)
def test_a_pure_room_that_awaits_or_asks_is_found(line: str) -> None:
    assert impurities(line)


def rows() -> list[str]:
    """The cells that name files: one in each row of the walk, and one in each row of the changes."""
    cells = [line.split(" | ")[1] for line in PAGE.splitlines() if line.startswith("| ")]
    return [cell for cell in cells if re.match(r"[^`]*`[\w.]+/", cell)]


def places(row: str) -> Iterator[tuple[Path, str | None]]:
    """Each file of a row, and each name in it. A short path goes on from the one before it."""
    file = service = folder = ROOT
    owner = ""
    for token in re.findall(r"`([^`]+)`", row):
        if re.search(r"[ <{]", token) or token.startswith("make"):
            continue
        if re.search(r"/|\.(py|lua)$", token):
            found = (path for base in (folder, folder.parent, service, ROOT) for path in base.glob(token))
            file = next(found, ROOT / token)
            folder = file.parent
            if token.startswith("services/"):
                service = ROOT.joinpath(*Path(token).parts[:2])
            yield file, None
        else:
            owner = owner if token.startswith(".") else token.split(".")[0]
            for name in (owner, *token.split(".")[1:]):
                yield file, name


@pytest.mark.parametrize("row", rows())
def test_what_the_page_names_is_there(row: str) -> None:
    for file, name in places(row):
        assert file.exists(), file
        if name is not None:
            defined = rf"^\s*(class |def |async def )?{re.escape(name)}\b(?=[(:\[ ])"
            assert re.search(defined, file.read_text(), re.MULTILINE), f"{file.relative_to(ROOT)}: {name}"


def test_a_row_is_read_as_a_reader_would() -> None:
    row = "`services/rules/ledger/client.py` `Ledger.call`, `.other`, `ledger.lua`; `worker/walk.py`"
    ledger, rules = ROOT / "services/rules/ledger/client.py", ROOT / "services/rules"

    assert list(places(row)) == [
        (ledger, None),
        (ledger, "Ledger"),
        (ledger, "call"),
        (ledger, "Ledger"),
        (ledger, "other"),
        (rules / "ledger" / "ledger.lua", None),
        (rules / "worker" / "walk.py", None),
    ]
