"""The outcome of the cases, collected from events; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple

from deploy.local.demo.retail import RetailCase
from schemas import types
from schemas.topics import CASES, DEAD_LETTERS, DECISIONS, NOTICES


class DueNotice(NamedTuple):
    """A notice that has to end: about which event, to which audience. `person` is set for approvers only."""

    about: str
    audience: str
    person: str | None = None


@dataclass(frozen=True)
class FirstDecision:
    """The first decision on a case. `decided_at`: seconds since 1970, from the `sequence` of the ledger."""

    event_id: str
    outcome: str
    decided_at: float


@dataclass
class DemoOutcome:
    """All that was seen so far. `due` are the notices that the decisions must lead to (docs/notices.md)."""

    accepted_at: dict[str, float] = field(default_factory=dict)
    first: dict[str, FirstDecision] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    due: set[DueNotice] = field(default_factory=set)
    ended: dict[DueNotice, str | None] = field(default_factory=dict)
    dead_letters: list[str] = field(default_factory=list)

    def see_dead_letter(self, headers: Mapping[str, str]) -> None:
        """Adds a dead letter, by its headers."""
        self.dead_letters.append(f"{headers.get('mandaat-reason')}: {headers.get('mandaat-detail')}")

    def see(self, topic: str, event: Mapping[str, Any]) -> None:
        """Adds an event of mandaat.cases, mandaat.decisions or mandaat.notices."""
        data = event["data"]
        if topic == CASES:
            self.accepted_at.setdefault(event["subject"], datetime.fromisoformat(event["time"]).timestamp())
        elif topic == NOTICES:
            person = data["person"] if data["audience"] == "approver" else None
            failed = event["type"] == types.NOTICE_FAILED
            self.ended[DueNotice(data["about"], data["audience"], person)] = (
                data["reason"] if failed else None
            )
        elif event["type"] in types.DECISION_EVENTS:
            self._see_decision(event)
        elif event["type"] == types.APPROVAL_REQUESTED:
            approvers = data["approval"]["approvers"]
            self.due |= {DueNotice(event["id"], "approver", approver) for approver in approvers}

    def _see_decision(self, event: Mapping[str, Any]) -> None:
        case_id = event["subject"]
        known = self.first.get(case_id)
        if known is None:
            decided_at = int(event["sequence"]) / 1_000_000
            self.first[case_id] = FirstDecision(event["id"], event["data"]["outcome"], decided_at)
            self.due |= {DueNotice(event["id"], audience) for audience in ("customer", "agent", "webhook")}
        elif known.event_id != event["id"]:
            self.again.append(case_id)

    @property
    def ended_notices(self) -> int:
        """How many of the notices that are due have ended."""
        return len(self.due & self.ended.keys())

    def complete(self, cases: Sequence[RetailCase]) -> bool:
        """Whether every case is decided or a dead letter, and every notice that is due has ended."""
        decided = len(self.first) + len(self.dead_letters) >= len(cases)
        return decided and self.due <= self.ended.keys() and len(self.accepted_at) >= len(self.first)

    def seconds_to_decide(self) -> list[float]:
        """The time from acceptance to decision of each case, shortest first."""
        both = self.first.keys() & self.accepted_at.keys()
        return sorted(self.first[case_id].decided_at - self.accepted_at[case_id] for case_id in both)

    def notices(self) -> Counter[tuple[str, bool]]:
        """How many notices ended, by (audience, whether delivered)."""
        return Counter((notice.audience, reason is None) for notice, reason in self.ended.items())

    def outcome_of(self, case: RetailCase) -> str:
        """The outcome of its first decision."""
        decision = self.first.get(case.case_id)
        return decision.outcome if decision else "no decision"

    def differences(self, cases: Iterable[RetailCase]) -> list[str]:
        """All that is not as expected, a sentence each."""
        wrong = [
            f"{case.case_id} ({case.kind}): expected {case.expected}, got {self.outcome_of(case)}"
            for case in cases
            if self.outcome_of(case) != case.expected
        ]
        wrong += [f"{case_id}: decided more than once" for case_id in self.again]
        wrong += [f"dead letter: {letter}" for letter in self.dead_letters]
        wrong += [f"no notice to {each.audience} about {each.about}" for each in self.due - self.ended.keys()]
        wrong += [
            f"not delivered: {notice.audience} about {notice.about}: {reason}"
            for notice, reason in self.ended.items()
            if reason is not None
        ]
        return wrong


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the ordered values do not exceed; 0.0 without values."""
    if not ordered:
        return 0.0
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


WATCHED = (CASES, DECISIONS, NOTICES, DEAD_LETTERS)
