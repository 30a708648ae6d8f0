"""Find the names of `define` that an expression uses, from its tokens, without compiling it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from engine.expressions.tokens import Kind, tokenize


def names_used(text: str, names: Container[str]) -> Iterator[str]:
    """The names that the expression uses, in text order. Fields and functions do not count."""
    tokens = [token for token in tokenize(text) if token.kind is not Kind.COMMENT]
    texts = ["", *(token.text for token in tokens), ""]
    for token, before, after in zip(tokens, texts, texts[2:], strict=False):
        if token.kind is Kind.NAME and token.text in names and before != "." and after != "(":
            yield token.text


def in_order_of_use(define: Mapping[str, str]) -> dict[str, str]:
    """The definitions, sorted so that each comes after those that it uses; unsorted if there is a cycle."""
    uses = {name: set(names_used(text, define)) for name, text in define.items()}
    try:
        return {name: define[name] for name in TopologicalSorter(uses).static_order()}
    except CycleError:
        return dict(define)


def defined_in(text: str, define: Mapping[str, str]) -> dict[str, str]:
    """The definitions that an expression uses, directly or through other definitions: names and texts."""
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in names_used(waiting.pop(0), define):
            if name not in found:
                found[name] = define[name]
                waiting.append(define[name])
    return found
