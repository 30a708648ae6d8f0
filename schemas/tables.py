"""The tables of docs/contracts.md that are made from the models. `make schemas` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas import types
from schemas.errors import REASONS
from schemas.topics import INBOUND, TOPICS, short_name

_BLOCK: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_EXAMPLES: Final = "../schemas/examples"


def with_tables(page: str) -> str:
    """The page with each block `<!-- table: NAME -->` rewritten. Raises KeyError for an unknown name."""
    tables = {"topics": _topics, "types": _types, "reasons": _reasons}
    return _BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]]()}{found[3]}", page)


def _topics() -> str:
    rows = (
        (f"`{topic.name}`", topic.from_to, topic.purpose, _code(topic.key), _code(topic.content_type))
        for topic in TOPICS
    )
    return _table(("topic", "from -> to", "contents", "key", "content type"), rows)


def _types() -> str:
    rows = (
        (
            f"`{name}`",
            types.MEANINGS[name],
            f"[example]({_EXAMPLES}/{topic.name}/v1/{short_name(name)}.json)",
            f"[schema](../schemas/json/events/{name}.schema.json)",
        )
        for topic in TOPICS
        for name in types.types_in(topic.name)
        if topic.name != INBOUND
    )
    return _table(("type", "meaning", "", ""), rows)


def _reasons() -> str:
    return _table(
        ("`mandaat-reason`", "means"), ((f"`{code}`", cause.text) for code, cause in REASONS.items())
    )


def _code(text: str) -> str:
    """The text with placeholders and content types as code: `<tenant>`, or none."""
    return re.sub(r"<[^ ,]+|application/[a-z+]+", lambda found: f"`{found[0]}`", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
