"""The engine of rules, on plain JSON values, with counters in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from engine.inputs import OFFLINE, Submission
from engine.judging.budgets import Counters
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from engine.propose import propose
from schemas.case import Case
from schemas.reading import read
from schemas.staff import StaffMember
from tests.builders.policies import book_of
from tests.laws.charges import Charge, Json, text_of
from tests.laws.mandate_checks import Reason
from tests.laws.reference_model import ReferenceDecision
from tests.laws.strategies import TENANT

FIGURES = ("limit", "left", "renews_at", "budget", "fact")
EPOCH = date(1970, 1, 1)


@lru_cache(maxsize=8)
def _book(text: str) -> PolicyBook:
    return book_of(text)


def as_book(policy: Json) -> PolicyBook:
    """The policy, compiled."""
    return _book(json.dumps(policy))


def as_case(case: Json) -> Case:
    """The case, read."""
    return read(Case, json.dumps(case).encode())


def as_staff(staff: Iterable[Json]) -> Staff:
    """The staff directory."""
    return Staff(read(StaffMember, json.dumps(person).encode()) for person in staff)


def counter_of(charge: Charge) -> tuple[str, str, int]:
    """The key, field and amount under which the ledger counts a charge (docs/ledger.md, Keys)."""
    field = str((charge.day - EPOCH).days) if charge.days else charge.window
    key = f"{TENANT}|{charge.budget}|{charge.kind}|{charge.unit}|{charge.scope}"
    return key, field, charge.amount


def counters_of(charges: Iterable[Charge]) -> dict[str, dict[str, int]]:
    """The counters that the ledger must hold after these charges, without those that are 0."""
    found: dict[str, dict[str, int]] = {}
    for key, field, amount in map(counter_of, charges):
        fields = found.setdefault(key, {})
        fields[field] = fields.get(field, 0) + amount
    kept = {key: {field: held for field, held in fields.items() if held} for key, fields in found.items()}
    return {key: fields for key, fields in kept.items() if fields}


def a_ledger(charges: Iterable[Charge] = ()) -> Counters:
    """Counters with these charges."""
    counters = Counters()
    counters.add(map(counter_of, charges))
    return counters


def held(counters: Counters) -> dict[str, dict[str, int]]:
    """The content of counters."""
    return {key: dict(fields) for key, fields in counters._counters.items() if fields}


class Authority(NamedTuple):
    """One policy and its staff."""

    policy: PolicyBook
    people: Staff

    def book(self, _: str) -> PolicyBook:
        return self.policy

    def staff(self, _: str) -> Staff:
        return self.people


def decide(
    policy: Json, staff: Sequence[Json], counters: Counters, case: Json, now: datetime
) -> dict[str, Any]:
    """The data of decision.* as JSON, and the people asked. Its charges are added to the counters."""
    submission = Submission(OFFLINE, "evt-1", now, None, as_case(case))
    proposal = propose(submission, Authority(as_book(policy), as_staff(staff)), {})
    rendered = proposal.render(1, *counters.settle(proposal.charge_options, proposal.probes))
    decision, *requested = (json.loads(value)["data"] for value in rendered.values)
    approval = requested[0]["approval"] if requested else {}
    return {**decision, "asked": {key: approval.get(key) for key in ("step", "approvers")}}


def as_reference(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a decision that the reference model gives too."""
    return {
        "outcome": decision["outcome"],
        "by": decision["by"],
        "mandate": decision["mandate"],
        "on_the_spot": decision["on_the_spot"],
        "reasons": [as_reason(one) for one in decision["reasons"]],
        "charges": decision["charges"],
    }


def as_reason(reason: Mapping[str, Any]) -> dict[str, Any]:
    """A reason without its sentence, and without the figures that only repeat the request."""
    figures = {key: value for key, value in reason["figures"].items() if key in FIGURES}
    return {"code": reason["code"], "of": reason.get("mandate") or reason.get("prohibition"), **figures}


def expected(reference: ReferenceDecision, currency: str) -> dict[str, Any]:
    """The reference decision, in the form of an event's data."""
    return {
        "outcome": reference.outcome,
        "by": reference.by,
        "mandate": reference.mandate,
        "on_the_spot": reference.on_the_spot,
        "reasons": [_reason(one) for one in reference.reasons],
        "charges": [charge_json(one) for one in reference.charges],
    }


def forgiving(reference: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """The decision, where either of two errors may be named, with the reason of the reference."""
    if len(reference["reasons"]) != len(said["reasons"]):
        return reference
    pairs = zip(reference["reasons"], said["reasons"], strict=True)
    named = ("fact_missing", "condition_error")
    forgiven = [
        {"code": "failed", "of": one["of"]} if other["code"] == "failed" and one["code"] in named else one
        for one, other in pairs
    ]
    return reference | {"reasons": forgiven}


def _reason(reason: Reason) -> dict[str, Any]:
    said = {"code": reason.code, "of": reason.of, **reason.figures}
    if isinstance(said.get("renews_at"), datetime):
        said["renews_at"] = said["renews_at"].isoformat().replace("+00:00", "Z")
    return said


def charge_json(charge: Charge) -> dict[str, Any]:
    """As events write it."""
    said: dict[str, Any] = {"budget": charge.budget, "scope": charge.scope, "window": charge.window}
    if charge.days:
        said["days"] = charge.days
    if charge.unit == "count":
        return said | {"count": charge.amount}
    return said | {"amount": text_of(charge.amount, charge.unit)}
