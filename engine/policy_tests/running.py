"""Run policy tests, and report where the actual result differs from the expected one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.events.effects import Event
from engine.events.envelope import InputOutcome
from engine.judging.staff import Staff
from engine.policy.book import PolicyBook
from engine.policy.problems import Spot
from engine.policy_tests.document import NOTHING, Expectation
from engine.policy_tests.plan import Step, Test
from engine.rehearsal import Rehearsal
from schemas import types
from schemas.errors import Unreadable
from schemas.money import parse_signed

_NO_EFFECT: Final[Mapping[str, InputOutcome]] = {
    types.APPROVAL_LATE: "late",
    types.APPROVAL_NOT_ENTITLED: "not_entitled",
}


@dataclass(frozen=True)
class Difference:
    """A difference between the expected and the actual result. `spot`: the place of the expectation."""

    spot: Spot
    text: str


@dataclass(frozen=True)
class Actual:
    """The actual result of a step. `values`: the decision, with step and approvers of its approval."""

    outcome: InputOutcome
    values: Mapping[str, Any]
    reasons: Sequence[Mapping[str, Any]]
    charges: Sequence[Mapping[str, Any]]
    currency: str


@dataclass
class RuleCoverage:
    """The rows of the policy that the tests use."""

    mandates: set[str] = field(default_factory=set)
    prohibitions: set[str] = field(default_factory=set)
    budgets: set[str] = field(default_factory=set)

    def add(self, actual: Actual) -> None:
        """Add the mandate that grants, the prohibitions in reasons, and the budgets charged or exhausted."""
        if actual.values.get("mandate") is not None:
            self.mandates.add(actual.values["mandate"])
        self.budgets.update(charge["budget"] for charge in actual.charges)
        for reason in actual.reasons:
            self.prohibitions.update({reason["prohibition"]} if "prohibition" in reason else ())
            self.budgets.update({reason["figures"]["budget"]} if "budget" in reason["figures"] else ())

    def untouched(self, book: PolicyBook) -> list[tuple[str, str]]:
        """The rows that no test uses: each is `mandate`, `prohibition` or `budget`, and an id."""
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


def run_test(test: Test, book: PolicyBook, staff: Staff, covered: RuleCoverage) -> list[Difference]:
    """Run one test with its own empty ledger, and list the differences. Add its rows to `covered`."""
    rehearsal = Rehearsal(book, staff)
    found: list[Difference] = []
    for step in test.steps:
        try:
            actual = _actual(rehearsal.decide(step.input), book.currency)
        except Unreadable as error:
            text = f"this cannot be decided: {error.reason}: {error.detail}"
            found.append(Difference(step.node.spot, text))
            continue
        covered.add(actual)
        found += _differences(step, actual)
    return found


def _actual(events: Iterable[Event], currency: str) -> Actual:
    decision: Mapping[str, Any] = {}
    about: Mapping[str, Any] = {}
    no_effect = None
    for event in events:
        if ".decision." in event["type"]:
            decision = event["data"]
        else:
            about = event["data"]
            no_effect = _NO_EFFECT.get(event["type"])
    approval = about.get("approval", {})
    values = {**decision, "step": approval.get("step"), "approvers": approval.get("approvers", [])}
    return Actual(
        no_effect or decision["outcome"],
        values,
        (about if no_effect else decision).get("reasons", ()),
        decision.get("charges", ()),
        decision.get("currency") or currency,
    )


def _differences(step: Step, actual: Actual) -> Iterator[Difference]:
    expected, node = step.expected, step.node.find(("expect",))[0]
    if expected.outcome != actual.outcome:
        why = "; ".join(reason["text"] for reason in actual.reasons)
        text = f"outcome: expected {expected.outcome}, got {actual.outcome}" + (f" ({why})" if why else "")
        yield Difference(node.key_spot("outcome"), text)
    for name in ("mandate", "by", "amount", "on_the_spot", "step"):
        differs = _difference(name, getattr(expected, name), actual.values.get(name), actual.currency)
        if differs is not None:
            yield Difference(node.key_spot(name), differs)
    if expected.approvers is not None and sorted(expected.approvers) != sorted(actual.values["approvers"]):
        text = f"approvers: expected {_listed(expected.approvers)}, got {_listed(actual.values['approvers'])}"
        yield Difference(node.key_spot("approvers"), text)
    yield from _rows("reasons", expected, actual.reasons, step, actual.currency)
    yield from _rows("charges", expected, actual.charges, step, actual.currency)


def _difference(name: str, expected: object, actual: object, currency: str) -> str | None:
    if expected is None or _same(name, expected, actual, currency):
        return None
    return f"{name}: expected {expected}, got {NOTHING if actual is None else actual}"


def _same(name: str, expected: object, actual: object, currency: str) -> bool:
    if actual is None:
        return expected == NOTHING
    if expected == actual or str(expected) == str(actual):
        return True
    try:
        return parse_signed(str(expected), currency) == parse_signed(str(actual), currency)
    except ValueError:
        return False


def _rows(
    name: str, expected: Expectation, actual: Sequence[Mapping[str, Any]], step: Step, currency: str
) -> Iterator[Difference]:
    """The differences in reasons or charges: in their number, their order, and the expected keys."""
    wanted = getattr(expected, name)
    if wanted is None:
        return
    node = step.node.find(("expect",))[0]
    if len(wanted) != len(actual):
        text = f"{name}: expected {len(wanted)}, got {len(actual)}: {_listed(map(_row, actual))}"
        yield Difference(node.key_spot(name), text)
        return
    for place, (one, other) in enumerate(zip(wanted, actual, strict=True)):
        fields = one.model_dump(exclude_none=True)
        figures = fields.pop("figures", {})
        pairs = [(key, value, other.get(key)) for key, value in fields.items()]
        pairs += [(f"figures.{key}", value, other["figures"].get(key)) for key, value in figures.items()]
        for key, value, found in pairs:
            differs = _difference(f"{name}[{place}].{key}", value, found, currency)
            if differs is not None:
                yield Difference(node.find((name, place))[0].spot, f"{differs} in {_row(other)}")


def _row(row: Mapping[str, Any]) -> str:
    if "code" in row:
        return f"{row['code']} ({row['text']})"
    taken = row["amount"] if "amount" in row else row["count"]
    return f"{taken} of {row['budget']} for {row['scope']} in {row['window']}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or NOTHING
