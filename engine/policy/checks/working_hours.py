"""Check the keys about working time. They have no effect yet (docs/policy.md, Working time).

`hours` and the durations of the ladder need timers. Until timers exist, one warning lists the keys without
effect, and says what happens instead.
"""

from __future__ import annotations

from typing import Final

from engine.policy.document import WEEKDAYS
from engine.policy.problems import PolicyProblem, problem, warning
from engine.policy.tree import Node, each

_LADDER: Final = ("hours", "holidays", "promise", "within", "acknowledge_within", "when_exhausted")
_REVIEW: Final = ("review_within", "reviewer")
NOT_ACTED_ON: Final = frozenset((*_LADDER, *_REVIEW))
"""Keys that are checked and have no effect yet."""


def check_working_hours(tree: Node) -> list[PolicyProblem]:
    """The errors about working time, and one warning about the keys without effect."""
    return [*_check_hours(tree), *_not_acted_on(tree)]


def _check_hours(tree: Node) -> list[PolicyProblem]:
    hours = tree.get("hours")
    if hours is None or hours.entries is None:
        return []
    problems: list[PolicyProblem] = []
    if tree.get("timezone") is None:
        text = "working time needs a time zone; write `timezone: Europe/Amsterdam`"
        problems.append(problem(tree.key_spot("hours"), text))
    seen: dict[str, str] = {}
    for name, (key, periods) in hours.entries.items():
        problems += _check_days(name, key, seen)
        problems += _check_periods(periods)
    return problems


def _check_days(name: str, key: Node, seen: dict[str, str]) -> list[PolicyProblem]:
    first, _, last = name.partition("-")
    if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
        return []  # shape.py reports it
    days = WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last or first) + 1]
    if not days:
        return [problem(key.spot, f"{name} runs backwards; the week begins on mon and ends on sun")]
    twice = next((day for day in days if day in seen), None)
    seen |= dict.fromkeys(days, name)
    if twice is None:
        return []
    return [problem(key.spot, f"{twice} has working time twice; write all its periods in one list")]


def _check_periods(periods: Node) -> list[PolicyProblem]:
    problems: list[PolicyProblem] = []
    former = ""
    for one in each(periods):
        begin, _, end = (one.text or "").partition("-")
        if len(begin) != len("08:00") or len(end) != len("08:00"):
            continue  # shape.py reports it
        if begin >= end:
            problems.append(
                problem(one.spot, f"a period must end after it begins; {_ends_later(begin, end)}")
            )
        elif begin < former:
            problems.append(problem(one.spot, "periods must be in order and must not overlap"))
        former = max(former, end)
    return problems


def _ends_later(begin: str, end: str) -> str:
    if begin == end or end == "00:00":
        return "write midnight at its end as 24:00"
    return f"split one that runs over midnight: {begin}-24:00, and 00:00-{end} on the next day"


def _not_acted_on(tree: Node) -> list[PolicyProblem]:
    """One warning at the first key without effect in the file. It names all such keys."""
    keys = [(name, node) for name, node in _keys(tree) if name in NOT_ACTED_ON]
    if not keys:
        return []
    used = {name for name, _ in keys}
    parts: list[str] = []
    if ladder := [f"`{name}`" for name in _LADDER if name in used]:
        parts.append(f"{_and(ladder)} (an approval waits at its step until somebody answers)")
    if review := [f"`{name}`" for name in _REVIEW if name in used]:
        instead = "a decision at discretion has `by: discretion`, and nobody is asked to review it"
        parts.append(f"{_and(review)} ({instead})")
    first = min(node.spot for _, node in keys)
    return [warning(first, f"checked, but without effect for now: {'; '.join(parts)}")]


def _keys(tree: Node) -> list[tuple[str, Node]]:
    """All keys of the mappings that may have a key without effect."""
    owners = [tree]
    owners += [one for row in each(tree.get("mandates")) if (one := row.get("discretion")) is not None]
    for ladder in each(tree.get("escalation")):
        owners += [ladder, *each(ladder.get("steps"))]
    return [(name, key) for owner in owners for name, (key, _) in (owner.entries or {}).items()]


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
