"""Run policy tests, and say where what came is not what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.events.effects import Event
from engine.judging.staff import Staff
from engine.policy.book import PolicyBook
from engine.policy.problems import Spot
from engine.policy_tests.document import NOTHING, Expectation
from engine.policy_tests.plan import Step, Test
from engine.rehearsal import Rehearsal
from schemas.errors import Unreadable
from schemas.money import parse_signed

_UNHEARD: Final = {"mandaat.approval.late.v1": "late", "mandaat.approval.not_entitled.v1": "not_entitled"}


@dataclass(frozen=True)
class Difference:
    """Something that came otherwise than expected, and where the file expects it."""

    spot: Spot
    text: str


@dataclass(frozen=True)
class Came:
    """What became of a step: of its decision, and of its approval where there is one."""

    outcome: str
    said: Mapping[str, Any]
    reasons: Sequence[Mapping[str, Any]]
    charges: Sequence[Mapping[str, Any]]
    currency: str


@dataclass
class Covered:
    """Which rows of the policy had a say in any test."""

    mandates: set[str] = field(default_factory=set)
    prohibitions: set[str] = field(default_factory=set)
    budgets: set[str] = field(default_factory=set)

    def add(self, came: Came) -> None:
        """A mandate has when it grants, a prohibition when it holds, a budget when it is charged or empty."""
        if came.said.get("mandate") is not None:
            self.mandates.add(came.said["mandate"])
        self.budgets.update(charge["budget"] for charge in came.charges)
        for reason in came.reasons:
            self.prohibitions.update({reason["prohibition"]} if "prohibition" in reason else ())
            self.budgets.update({reason["figures"]["budget"]} if "budget" in reason["figures"] else ())

    def lacking(self, book: PolicyBook) -> list[tuple[str, str]]:
        """What no test has touched: `mandate`, `prohibition` or `budget`, and its id."""
        rows = {row.place: row for by_kind in book.mandates.values() for row in by_kind.every()}
        mandates = [rows[place] for place in sorted(rows)]
        budgets = dict.fromkeys(budget.id for row in mandates for budget in row.budgets)
        return [
            *(
                ("prohibition", row.id)
                for row in book.prohibitions.every()
                if row.id not in self.prohibitions
            ),
            *(("mandate", row.id) for row in mandates if row.id not in self.mandates),
            *(("budget", name) for name in budgets if name not in self.budgets),
        ]


def run_test(test: Test, book: PolicyBook, staff: Staff, covered: Covered) -> list[Difference]:
    """The differences of one test, on a ledger of its own."""
    rehearsal = Rehearsal(book, staff)
    found: list[Difference] = []
    for step in test.steps:
        try:
            came = _came(rehearsal.decide(step.input), book.currency)
        except Unreadable as why:
            found.append(Difference(step.node.spot, f"this cannot be decided: {why.reason}: {why.detail}"))
            continue
        covered.add(came)
        found += _differences(step, came)
    return found


def _came(events: Iterable[Event], currency: str) -> Came:
    decision: Mapping[str, Any] = {}
    about: Mapping[str, Any] = {}
    unheard = None
    for event in events:
        if ".decision." in event["type"]:
            decision = event["data"]
        else:
            about = event["data"]
            unheard = _UNHEARD.get(event["type"])
    approval = about.get("approval", {})
    said = {**decision, "step": approval.get("step"), "approvers": approval.get("approvers", [])}
    return Came(
        unheard or decision["outcome"],
        said,
        (about if unheard else decision).get("reasons", ()),
        decision.get("charges", ()),
        decision.get("currency") or currency,
    )


def _differences(step: Step, came: Came) -> Iterator[Difference]:
    expected, node = step.expected, step.node.find(("expect",))[0]
    if expected.outcome != came.outcome:
        why = "; ".join(reason["text"] for reason in came.reasons)
        text = f"outcome: expected {expected.outcome}, came {came.outcome}" + (f" ({why})" if why else "")
        yield Difference(node.key_spot("outcome"), text)
    for name in ("mandate", "by", "amount", "on_the_spot", "step"):
        differs = _difference(name, getattr(expected, name), came.said.get(name), came.currency)
        if differs is not None:
            yield Difference(node.key_spot(name), differs)
    if expected.approvers is not None and sorted(expected.approvers) != sorted(came.said["approvers"]):
        text = f"approvers: expected {_listed(expected.approvers)}, came {_listed(came.said['approvers'])}"
        yield Difference(node.key_spot("approvers"), text)
    yield from _rows("reasons", expected, came.reasons, step, came.currency)
    yield from _rows("charges", expected, came.charges, step, came.currency)


def _difference(name: str, expected: object, came: object, currency: str) -> str | None:
    if expected is None or _same(name, expected, came, currency):
        return None
    return f"{name}: expected {expected}, came {NOTHING if came is None else came}"


def _same(name: str, expected: object, came: object, currency: str) -> bool:
    if came is None:
        return expected == NOTHING
    if expected == came or str(expected) == str(came):
        return True
    try:
        return parse_signed(str(expected), currency) == parse_signed(str(came), currency)
    except ValueError:
        return False


def _rows(
    name: str, expected: Expectation, came: Sequence[Mapping[str, Any]], step: Step, currency: str
) -> Iterator[Difference]:
    """Reasons or charges: as many as expected, in that order, each with what is said of it."""
    wanted = getattr(expected, name)
    if wanted is None:
        return
    node = step.node.find(("expect",))[0]
    if len(wanted) != len(came):
        text = f"{name}: expected {len(wanted)}, came {len(came)}: {_listed(map(_row, came))}"
        yield Difference(node.key_spot(name), text)
        return
    for place, (one, other) in enumerate(zip(wanted, came, strict=True)):
        fields = one.model_dump(exclude_none=True)
        figures = fields.pop("figures", {})
        pairs = [(key, value, other.get(key)) for key, value in fields.items()]
        pairs += [(f"figures.{key}", value, other["figures"].get(key)) for key, value in figures.items()]
        for key, value, actual in pairs:
            differs = _difference(f"{name}[{place}].{key}", value, actual, currency)
            if differs is not None:
                yield Difference(node.find((name, place))[0].spot, f"{differs} in {_row(other)}")


def _row(row: Mapping[str, Any]) -> str:
    if "code" in row:
        return f"{row['code']} ({row['text']})"
    taken = row["amount"] if "amount" in row else row["count"]
    return f"{taken} of {row['budget']} for {row['scope']} in {row['window']}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or NOTHING
