"""A document as a tree of nodes. Nodes from YAML have a place in the file; nodes from JSON have none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from engine.policy.problems import NOWHERE, Spot

_LARGEST: Final = 2**53
"""The largest whole number of canonical JSON."""
Path = tuple[str | int, ...]
Plain = None | bool | int | float | str | list[Any] | dict[str, Any]


@dataclass(slots=True, eq=False)
class Node:
    """A scalar, a list (`items`) or a mapping (`entries`: key -> key's node, value's node)."""

    spot: Spot = NOWHERE
    """The place of its first character."""
    text: str | None = None
    """The text of a scalar."""
    value: bool | int | float | str | None = None
    items: list[Node] | None = None
    entries: dict[str, tuple[Node, Node]] | None = None
    size: int = 1
    """The number of nodes in it, including itself."""

    @property
    def is_empty(self) -> bool:
        """Whether it is null or blank."""
        return self.text is not None and (self.value is None or not self.text.strip())

    def place(self, index: int) -> Spot:
        """The place in the file of character `index` of this scalar's text."""
        return self.spot

    def get(self, key: str | int) -> Node | None:
        """The value at a key or a position in a list; None if there is none."""
        if isinstance(key, str):
            entry = (self.entries or {}).get(key)
            return entry[1] if entry else None
        return self.items[key] if self.items is not None and 0 <= key < len(self.items) else None

    def find(self, path: Path) -> tuple[Node, int]:
        """The deepest existing node on the path, and the number of steps to it."""
        node, depth = self, 0
        for step in path:
            below = node.get(step)
            if below is None:
                break
            node, depth = below, depth + 1
        return node, depth

    def key_spot(self, key: str) -> Spot:
        """The place of a key of this mapping."""
        entry = (self.entries or {}).get(key)
        return entry[0].spot if entry else self.spot

    def plain(self) -> Plain:
        """The value as plain Python types, as from JSON."""
        if self.items is not None:
            return [item.plain() for item in self.items]
        if self.entries is not None:
            return {key: value.plain() for key, (_, value) in self.entries.items()}
        return self.value


def tree_of(value: Plain) -> Node:
    """The tree of a value from JSON. Its nodes have no place.

    Raises ValueError for values that a checked policy never has: null, blank text, a lone surrogate, a number
    above 2^53.
    """
    if isinstance(value, dict):
        return Node(entries={key: (Node(text=key, value=key), tree_of(item)) for key, item in value.items()})
    if isinstance(value, list):
        return Node(items=[tree_of(item) for item in value])
    if isinstance(value, str):
        value.encode()
    elif value is not None and not abs(value) <= _LARGEST:
        raise ValueError("a number is too large")
    node = Node(text="" if value is None else str(value), value=value)
    if node.is_empty:
        raise ValueError("a value is empty")
    return node


def each(node: Node | None) -> Iterator[Node]:
    """The items of a list; no items if the node is not a list."""
    yield from (node.items or ()) if node is not None else ()


def one_or_list(node: Node | None) -> list[Node]:
    """The items of a list, or a single value as a list of one."""
    if node is None:
        return []
    return node.items if node.items is not None else [node]


def short(text: str) -> str:
    """A text from a file, cut to fit in a message."""
    return text if len(text) <= 60 else text[:57] + "..."
