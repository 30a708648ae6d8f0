"""Find kinds and categories that are probably misspelt, because they are nearly the same as others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

from engine.policy.document import EVERY_KIND
from engine.policy.problems import PolicyProblem, warning
from engine.policy.tree import Node, each, one_or_list, short

_FEWEST_LETTERS: Final = 5
"""Shorter words often differ by one letter on purpose: `cash` and `cask`."""
_CLOSE: Final = 0.9
_MOST_PAIRS: Final = 100_000
"""The most pairs of words to compare; comparing more would take too long."""
_DIGITS: Final = re.compile("[0-9]+")


def near_misses(tree: Node) -> list[PolicyProblem]:
    """A warning at each word that is probably misspelt.

    There are two cases. A prohibition names a kind that no mandate names, and a similar kind is granted. Or a
    mandate's kind or a category is used only once, and a word that differs by one letter is used earlier or
    more often.
    """
    granted = [one for row in each(tree.get("mandates")) for one in one_or_list(row.get("grants"))]
    prohibited = [one for row in each(tree.get("prohibitions")) for one in one_or_list(row.get("kinds"))]
    rows = [*each(tree.get("prohibitions")), *each(tree.get("mandates"))]
    categories = [one for row in rows for one in one_or_list(row.get("categories"))]
    return [
        *_of_prohibitions(prohibited, _counts(granted)),
        *_of_one_another(granted, "kind"),
        *_of_one_another(categories, "category"),
    ]


def _of_prohibitions(kinds: Iterable[Node], granted: Mapping[str, int]) -> list[PolicyProblem]:
    kinds, problems = list(kinds), []
    if len(kinds) * len(granted) > _MOST_PAIRS:
        return []
    for node in kinds:
        kind = node.text or ""
        meant = None if kind in granted or kind == EVERY_KIND else _closest(kind, granted)
        if meant is not None:
            text = f"no mandate grants `{short(kind)}` by name; did you mean `{short(meant)}`?"
            problems.append(warning(node.spot, text))
    return problems


def _of_one_another(nodes: Iterable[Node], what: str) -> list[PolicyProblem]:
    nodes = list(nodes)
    counts = _counts(nodes)
    often = {word: None for word, number in counts.items() if number > 1}
    problems: list[PolicyProblem] = []
    if len(counts) ** 2 > _MOST_PAIRS:
        return []
    for node in nodes:
        word = node.text or ""
        meant = _closest(word, often) if counts[word] == 1 else None
        often[word] = None
        if meant is not None and _one_letter_apart(word, meant):
            text = f"{what} `{short(word)}` is used only here; did you mean `{short(meant)}`?"
            problems.append(warning(node.spot, text))
    return problems


def _counts(nodes: Iterable[Node]) -> Mapping[str, int]:
    return Counter(node.text or "" for node in nodes)


def _closest(word: str, others: Iterable[str]) -> str | None:
    """The most similar other word; None if none is close. Words with different digits are never close."""
    like = [(_similarity(word, other), other) for other in others if other != word]
    similarity, other = max(like, default=(0.0, ""))
    return other if similarity >= _CLOSE else None


def _similarity(one: str, other: str) -> float:
    if min(len(one), len(other)) < _FEWEST_LETTERS or _DIGITS.findall(one) != _DIGITS.findall(other):
        return 0.0
    if _one_letter_apart(one, other):
        return 1.0
    if abs(len(one) - len(other)) > _FEWEST_LETTERS:
        return 0.0
    return SequenceMatcher(None, one, other).ratio()


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether one letter is left out, added or changed, or two adjacent letters are swapped."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or one == other:
        return False
    same = next((at for at, letter in enumerate(one) if letter != other[at]), len(one))
    if len(one) < len(other):
        return one[same:] == other[same + 1 :]
    swapped = one[same : same + 2] == other[same : same + 2][::-1]
    return one[same + 1 :] == other[same + 1 :] or (swapped and one[same + 2 :] == other[same + 2 :])
