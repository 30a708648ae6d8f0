"""Read YAML 1.2 into a tree in which every node has a place.

The tree is built from the events of ruamel.yaml, not by its constructor. So duplicate keys, empty values,
tags and merge keys become problems with a place, and depth, size and aliases are bounded during reading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from engine.policy.problems import PolicyProblem, PolicyProblems, Spot, problem
from engine.policy.tree import Node, short
from engine.policy.yaml.remedies import remedy
from engine.policy.yaml.scalar_places import place_in_scalar

MAX_CHARACTERS: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 20
MAX_NODES: Final = 1_000_000
_EMPTY: Final = "is empty; give it a value or remove it"

# The core schema of YAML 1.2.2, chapter 10.3. In it `yes`, `on` and dates are text.
_NULL = re.compile(r"(?:null|Null|NULL|~)?")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WORDS = frozenset(("null", "Null", "NULL", "~", *_BOOL))
_NOT_OF_WORDS = frozenset("0123456789+-.")
"""The first characters of numbers."""
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_HALF = re.compile("[\ud800-\udfff]")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(slots=True, eq=False)
class _Scalar(Node):
    """A scalar with its source, from which the place of each character is found."""

    source: str = ""
    start: int = 0
    end: int = 0
    style: str | None = None
    """The quote character, or `|` or `>` for a block scalar; None for a plain scalar."""

    def place(self, index: int) -> Spot:
        """The place in the file of character `index` of the text."""
        source = self.source[self.start : self.end]
        return Spot(*place_in_scalar(source, self.style, self.text or "", index, self.spot))


def parse_yaml(text: str) -> tuple[Node, list[PolicyProblem]]:
    """The tree of a text with one document, and the problems that do not prevent further checks.

    Raises PolicyProblems if no tree can be built.
    """
    _check_text(text)
    problems: list[PolicyProblem] = []
    try:
        events = YAML(typ="safe", pure=True).parse(text)
        return _Composer(text, events, problems).compose(), problems
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = Spot(mark.line + 1, mark.column + 1) if mark else Spot(1, 1)
        words = " ".join(part for part in (error.context, error.problem) if part)
        raise PolicyProblems([*problems, problem(spot, f"not YAML: {words}{remedy(error)}")]) from error
    except ReaderError as error:
        spot = _spot_of(text, error.position)
        raise PolicyProblems(
            [problem(spot, f"YAML does not allow the character {ord(text[error.position]):#x}")]
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise PolicyProblems([problem(Spot(1, 1), f"not YAML: {error}")]) from error


def _check_text(text: str) -> None:
    if not text.strip("\ufeff \t\r\n"):
        raise PolicyProblems(
            [problem(Spot(1, 1), "the file is empty; a policy begins with `policy: <tenant>`")]
        )
    if len(text) > MAX_CHARACTERS:
        raise PolicyProblems([problem(Spot(1, 1), f"the file has more than {MAX_CHARACTERS:,} characters")])


def _spot_of(text: str, index: int) -> Spot:
    before = text[:index]
    return Spot(before.count("\n") + 1, index - before.rfind("\n"))


class _Composer:
    def __init__(self, text: str, events: Iterator[Any], problems: list[PolicyProblem]) -> None:
        # ruamel counts a byte order mark as a character of the text, but not as a column.
        self._text = text
        self._events = events
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}
        self._nodes = 0

    def compose(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 2)):
                self._problems.append(
                    problem(_spot(event), "write YAML 1.2, without a %YAML line for another version")
                )
            elif isinstance(event, DocumentStartEvent) and root is not None:
                raise PolicyProblems(
                    [
                        *self._problems,
                        problem(_spot(event), "a policy file holds one document; remove the `---`"),
                    ]
                )
            elif isinstance(event, NodeEvent):
                root = self._node(event, 1)
        if root is None:
            raise PolicyProblems(
                [problem(Spot(1, 1), "the file is not a policy; a policy begins with `policy: <tenant>`")]
            )
        return root

    def _add_problem(self, spot: Spot, text: str) -> None:
        self._problems.append(problem(spot, text))

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        self._check_size(event, depth, 1)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        tag = getattr(event, "ctag", None) or event.tag
        if tag:
            self._problems.append(
                problem(_spot(event), f"tags such as {short(str(tag))} are not allowed; remove it")
            )
        if isinstance(event, ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _check_size(self, event: Any, depth: int, nodes: int) -> None:
        self._nodes += nodes
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            text = (
                f"more than {MAX_DEPTH} levels deep"
                if depth > MAX_DEPTH
                else f"more than {MAX_NODES:,} values"
            )
            raise PolicyProblems([*self._problems, problem(_spot(event), f"the file is too large: {text}")])

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            text = f"there is no anchor `&{event.anchor}` above this"
            self._add_problem(_spot(event), text)
            return Node(_spot(event), text=text, value=text)
        self._check_size(event, 1, node.size)
        return node

    def _scalar(self, event: Any) -> Node:
        text = self._characters(event)
        style = event.style or None
        return _Scalar(
            _spot(event),
            text,
            self._resolve(text, event) if style is None else text,
            source=self._text,
            start=event.start_mark.index,
            end=event.end_mark.index,
            style=style,
        )

    def _characters(self, event: Any) -> str:
        """The text, with surrogates joined.

        JSON writes a character above U+FFFF as two escapes, and ruamel.yaml keeps these as two surrogates.
        """
        text: str = event.value
        if _HALF.search(text) is None:
            return text
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if "\ufffd" in whole:
            self._add_problem(
                _spot(event), "an escape such as \\uD83D is half of a character; add the other half"
            )
        return whole

    def _resolve(self, text: str, event: Any) -> bool | int | float | str | None:
        if text and text[0] not in _NOT_OF_WORDS and text not in _WORDS:
            return text
        if _NULL.fullmatch(text):
            return None
        if text in _BOOL:
            return _BOOL[text]
        if len(text) <= 40 and _INT.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if len(text) <= 40 and _FLOAT.fullmatch(text) and float(text) - float(text) == 0:
            return float(text)
        if _NOT_FINITE.fullmatch(text):
            self._add_problem(_spot(event), f"{text} is not allowed; write a finite number")
            return math.inf
        return text

    def _sequence(self, event: Any, depth: int) -> Node:
        items: list[Node] = []
        for inner in self._events:
            if isinstance(inner, SequenceEndEvent):
                break
            item = self._node(inner, depth + 1)
            if item.is_empty:
                self._add_problem(item.spot, f"this item of the list {_EMPTY}")
            items.append(item)
        return Node(_spot(event), items=items, size=1 + sum(item.size for item in items))

    def _mapping(self, event: Any, depth: int) -> Node:
        entries: dict[str, tuple[Node, Node]] = {}
        size = 1
        for inner in self._events:
            if isinstance(inner, MappingEndEvent):
                break
            key = self._node(inner, depth + 1)
            value = self._node(next(self._events), depth + 1)
            size += 1 + value.size
            name = key.text
            if name is None or key.value is None:
                self._add_problem(key.spot, "a key must be a plain word")
            elif name in entries:
                first = entries[name][0].spot
                text = f"`{short(name)}` is a duplicate key; the first is on line {first.line}"
                self._add_problem(key.spot, text)
            else:
                entries[name] = (key, value)
                if value.is_empty:
                    self._add_problem(key.spot, f"`{short(name)}` {_EMPTY}")
        return Node(_spot(event), entries=entries, size=size)


def _spot(event: Any) -> Spot:
    return Spot(event.start_mark.line + 1, event.start_mark.column + 1)
