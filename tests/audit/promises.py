"""Each promise of docs/ledger.md, Promises, as a function. It yields the findings, and there must be none."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from tests.audit.budgets import Budget, Totals, amount_of
from tests.audit.evidence import CONFLICT, UNHEARD, Came, Event, Evidence, Request
from tests.audit.topics import Topics, place_of

LIVES: Final = re.compile(r"(A|R|E[AR]?)?W?")
"""Allowed outcomes: one decision, or `escalated` and a final one; then at most one withdrawal."""
SHOWN: Final = 5


def audit(topics: Topics, tenant: str) -> list[str]:
    """The broken promises to a tenant, one line each, at most a few for each promise."""
    evidence = Evidence(topics, tenant)
    return [
        f"{promise}: {finding}"
        for promise, findings in PROMISES.items()
        for _, finding in zip(range(SHOWN), findings(evidence), strict=False)
    ]


def totals(evidence: Evidence) -> Totals:
    """The sums of all charges in the journal."""
    added = Totals()
    for _ in _charged(evidence, added):
        pass
    return added


def one_content(evidence: Evidence) -> Iterator[str]:
    """Each event id has one content, byte for byte, in one partition."""
    contents: dict[str, tuple[object, ...]] = {}
    for record in evidence.journal:
        event_id = evidence.event(record)["id"]
        content = (record.partition, record.key, record.value, record.headers)
        if contents.setdefault(event_id, content) != content:
            yield f"event {event_id} has two, the second at {place_of(record)}"


def in_order(evidence: Evidence) -> Iterator[str]:
    """Events first appear in a partition in order of `sequence`, which is also their time."""
    newest: defaultdict[int, int] = defaultdict(int)
    for one in sorted(evidence.events, key=lambda event: (event.record.partition, event.record.offset)):
        if one.sequence < newest[one.record.partition]:
            yield f"{one.sequence} at {place_of(one.record)} comes after {newest[one.record.partition]}"
        newest[one.record.partition] = max(newest[one.record.partition], one.sequence)
        if one.record.timestamp_ms != one.sequence // 1000:
            yield f"{place_of(one.record)} has the time {one.record.timestamp_ms}, and {one.sequence}"


def one_sequence(evidence: Evidence) -> Iterator[str]:
    """The events of one input share a sequence, and no other input has it."""
    causes: dict[int, set[str]] = defaultdict(set)
    for one in evidence.events:
        causes[one.sequence].add(evidence.event(one.record)["cause"])
    for sequence, found in causes.items():
        if len(found) > 1:
            yield f"{sequence} has the causes {sorted(found)}"


def one_decision(evidence: Evidence) -> Iterator[str]:
    """One first decision a request, at most one that closes its escalation, at most one withdrawal."""
    for request, found in evidence.decisions.items():
        life = "".join(one.data["outcome"][0].upper() for one in found)
        if not LIVES.fullmatch(life):
            yield f"{request} was {[one.data['outcome'] for one in found]}"
    for one in evidence.events:
        if one.type.startswith("decision.") and one.type != f"decision.{one.data['outcome']}":
            yield f"{one.id} is {one.type}, and says {one.data['outcome']}"


def versions_rise(evidence: Evidence) -> Iterator[str]:
    """Versions of an approval rise by one from 1; an event without effect keeps the version."""
    for request, found in evidence.approvals.items():
        versions = [one.data["approval"]["version"] for one in found if one.type not in UNHEARD]
        if versions != list(range(1, len(versions) + 1)):
            yield f"{request} has {versions}"


def accepted_kept(evidence: Evidence) -> Iterator[str]:
    """Every input is decided or a dead letter, and nothing else is decided."""
    for request, came in evidence.came.items():
        decided = evidence.decisions.get(request, [])
        counted = evidence.counted(request)
        if counted and not decided:
            yield f"{request} has neither decision nor dead letter, first at {came[0].place}"
        withdrawn = any(one.data["outcome"] == "withdrawn" for one in decided)
        if withdrawn != any(one.content is None for one in counted):
            yield f"{request} is {'' if withdrawn else 'not '}withdrawn, against what came in"
    for request in evidence.decisions.keys() - evidence.came.keys():
        yield f"{request} was decided and never came in"
    for record in evidence.unread:
        if place_of(record) not in evidence.letters:
            yield f"{place_of(record)} cannot be read and is no dead letter"


def replies_heard(evidence: Evidence) -> Iterator[str]:
    """Every reply is in an event of its approval or is a dead letter; at most one closes an approval."""
    heard = {(one.data["approval"]["approval_id"], one.data.get("reply_id")) for one in evidence.events
             if one.type.startswith("approval.")}  # fmt: skip
    for record in evidence.replies:
        data = evidence.event(record).get("data", {})
        if (data.get("approval_id"), data.get("reply_id")) in heard:
            continue
        if place_of(record) not in evidence.letters:
            yield f"{place_of(record)} has no effect and is no dead letter"
    closed = Counter(
        one.data["approval"]["approval_id"] for one in evidence.events if one.type == "approval.closed"
    )
    yield from (f"{approval} was closed {times} times" for approval, times in closed.items() if times > 1)


def conflicts_refused(evidence: Evidence) -> Iterator[str]:
    """A known request with other content is a dead letter, a repeat never is; the first one counts."""
    for request in evidence.came:
        counted = evidence.counted(request)
        if not counted or counted[0].content is None:
            refused = [one for one in counted if CONFLICT in evidence.letters.get(one.place, ())]
            yield from (f"{one.place} repeats the withdrawn {request}, and was refused" for one in refused)
            continue
        yield from _compared(evidence, request, counted)


def _compared(evidence: Evidence, request: Request, counted: list[Came]) -> Iterator[str]:
    first = counted[0].content
    for one in counted:
        refused = CONFLICT in evidence.letters.get(one.place, ())
        if one.content is not None and refused == (one.content == first):
            yield f"{one.place} of {request} has {'the same' if refused else 'another'} content"
    for decision in evidence.decisions.get(request, [])[:1]:
        said, asked = decision.data, first
        assert asked is not None
        amount = None if said["amount"] is None else Decimal(said["amount"])
        if said["outcome"] != "withdrawn" and (said["agent_id"], said["customer_id"], amount) != (
            asked.agent_id, asked.customer_id, asked.amount
        ):  # fmt: skip
            yield f"{request} was decided as {said['agent_id'], said['customer_id'], amount}, not {asked}"


def _charged(evidence: Evidence, added: Totals) -> Iterator[str]:
    for one in sorted(evidence.events, key=lambda event: event.sequence):
        for charge in one.data.get("charges") or ():
            policy = evidence.policy_of(one)
            budget = None if policy is None else policy.budgets.get(charge["budget"])
            if policy is None or budget is None:
                yield f"{one.id} charges {charge['budget']}, which its policy does not have"
            elif (amount_of(charge) < 0) != (one.data["outcome"] == "withdrawn"):
                yield f"{one.id} is {one.type} and charges {amount_of(charge)}"
            elif wrong := added.charge(evidence.tenant, policy, budget, charge):
                yield f"{wrong} with {one.sequence}"


def not_overspent(evidence: Evidence) -> Iterator[str]:
    """Each charge, by `sequence`, fits with all earlier ones under the cap in its decision's policy."""
    yield from _charged(evidence, Totals())


def charges_are_due(evidence: Evidence) -> Iterator[str]:
    """An approval charges all budgets of its mandate with its amount or 1; no other event charges."""
    for request, found in evidence.decisions.items():
        for one in found:
            charges = one.data.get("charges") or []
            if one.data["outcome"] == "withdrawn":
                before = evidence.newest_before(one)
                given = [] if before is None else before.data.get("charges") or []
                if _keyed(charges, sign=-1) != _keyed(given):
                    yield f"{one.id} gives back {charges} of {given}"
            elif one.data["outcome"] != "approved":
                if charges:
                    yield f"{one.id} is {one.type} and charges {charges}"
            else:
                yield from _due(evidence, request, one, charges)


def _due(evidence: Evidence, request: Request, one: Event, charges: list[dict[str, Any]]) -> Iterator[str]:
    policy = evidence.policy_of(one)
    mandate = None if policy is None else policy.mandates.get(one.data["mandate"])
    if policy is None or mandate is None:
        yield f"{one.id} was approved by {one.data['mandate']} of a policy that nobody published"
        return
    amount = None if one.data["amount"] is None else Decimal(one.data["amount"])
    if mandate.limit is not None and (amount is None or amount > mandate.limit):
        yield f"{one.id} grants {amount}, above the {mandate.limit} of {mandate.id}"
    first = next((came for came in evidence.counted(request) if came.content is not None), None)
    if first is None or first.content is None:
        yield f"{one.id} approves what was not asked"
        return
    moment = evidence.judged_at(one)
    if moment is None:
        yield f"{one.id} was decided by {one.data['decided_by']} without a verdict"
        return
    if not {first.content.kind, "*"} & mandate.kinds:
        yield f"{one.id} grants {first.content.kind} by {mandate.id}"
    wanted = {
        (budget.id, _scope(budget, one), policy.window(budget, moment)): taken
        for budget in mandate.budgets
        if (taken := _taken(budget, amount))
    }
    if _keyed(charges) != wanted:
        yield f"{one.id} charges {charges}, due are {wanted}"


def _taken(budget: Budget, amount: Decimal | None) -> Decimal:
    return Decimal(1) if budget.cap is None else amount or Decimal()


def _scope(budget: Budget, one: Event) -> str:
    """The person whose budgets are charged: after a verdict, the person who gave it."""
    said = one.data
    match budget.per:
        case "agent":
            return f"agent:{said['decided_by'] or said['agent_id']}"
        case "team":
            return f"team:{said['agent']['team']}"
        case "customer":
            return f"customer:{said['customer_id']}"
        case _:
            return "tenant"


def _keyed(charges: list[dict[str, Any]], sign: int = 1) -> Mapping[tuple[str, str, str], Decimal]:
    return {(one["budget"], one["scope"], one["window"]): sign * amount_of(one) for one in charges}


Promise = Callable[[Evidence], Iterator[str]]
PROMISES: Final[dict[str, Promise]] = {
    "one content": one_content,
    "in order": in_order,
    "one sequence an input": one_sequence,
    "one decision": one_decision,
    "versions rise by one": versions_rise,
    "accepted means kept": accepted_kept,
    "replies are heard": replies_heard,
    "conflicts are refused": conflicts_refused,
    "not overspent": not_overspent,
    "charges are due": charges_are_due,
}
