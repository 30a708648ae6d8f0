"""A journal as rules writes it, and forgeries of it."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.audit.promises import audit
from tests.audit.topics import CASES, DEAD_LETTERS, DECISIONS, POLICIES, REPLIES, Record, Topics

WEEK = {"per": "team", "window": "week", "count": 2}
POLICY: dict[str, Any] = {
    "policy": "acme",
    "version": "1",
    "currency": "EUR",
    "timezone": "Europe/Amsterdam",
    "budgets": {
        "day": {"per": "agent", "window": "day", "cap": 50},
        "month": {"per": "customer", "window": "30d", "cap": "80.00"},
    },
    "mandates": [
        {"id": "small", "grants": "refund", "to": "agent", "limit": 40, "budgets": ["day", "month"]},
        {"id": "kind", "grants": "gesture", "to": "agent", "budgets": [WEEK]},
        {"id": "lead", "grants": "*", "to": "team_lead", "limit": 500},
    ],
}  # fmt: skip
MORNING = "2026-03-02T08:00:00Z"


class Forged:
    """Writes records, and changes them in place to forge them."""

    def __init__(self) -> None:
        self.topics = Topics()
        self.sequence = 1_772_438_400_000_000
        self.publish(POLICY, "d1")

    def publish(self, policy: dict[str, Any], digest: str) -> None:
        self._put(POLICIES, f"acme/{digest}", {"yaml": json.dumps(policy)})

    def submit(self, case_id: str = "c-1", *, time: str = MORNING, **asked: Any) -> Record:
        """Submit a case of agent-01. Keys of the request, `customer` and `agent_id` may be given."""
        request = {"request_id": "r1", "kind": "refund", "amount": "30.00", "currency": "EUR"}
        data = {
            "case_id": case_id,
            "tenant": "acme",
            "customer": {"id": asked.pop("customer", "cu-1")},
            "agent_id": asked.pop("agent_id", "agent-01"),
            "request": request | asked,
        }
        event = {"type": "mandaat.case.submitted.v1", "id": f"in-{len(self.topics.cases)}", "time": time}
        return self._put(CASES, f"acme/{case_id}", event | {"data": data})

    def withdraw(self, case_id: str = "c-1") -> Record:
        data = {"case_id": case_id, "tenant": "acme", "request_id": "r1"}
        event = {"type": "mandaat.case.withdrawn.v1", "id": f"in-{len(self.topics.cases)}", "time": MORNING}
        return self._put(CASES, f"acme/{case_id}", event | {"data": data})

    def reply(self, case_id: str = "c-1", reply_id: str = "reply-1") -> Record:
        data = {"case_id": case_id, "request_id": "r1", "approval_id": f"apr_{case_id}", "reply_id": reply_id}
        event = {"type": "mandaat.verdict.approve.v1", "id": f"re-{reply_id}", "time": MORNING, "data": data}
        return self._put(REPLIES, f"acme/{case_id}", event)

    def letter(self, record: Record, reason: str = "conflict") -> None:
        headers = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "reason": reason,
        }
        said = tuple((f"mandaat-{name}", str(text).encode()) for name, text in headers.items())
        self.topics.dead_letters.append(Record(DEAD_LETTERS, 0, 0, 0, record.key, record.value, said))

    def decide(
        self, outcome: str = "approved", case_id: str = "c-1", charges: Any = None, **data: Any
    ) -> Record:
        """Publish a decision with a new sequence. By default `small` grants 30.00 from both budgets."""
        self.sequence += 1_000
        said = {
            "case_id": case_id,
            "request_id": "r1",
            "outcome": outcome,
            "mandate": "small" if outcome == "approved" else None,
            "amount": "30.00",
            "agent_id": "agent-01",
            "customer_id": "cu-1",
            "decided_by": None,
            "policy": {"name": "acme", "version": "1", "digest": "d1"},
            "charges": (spent() if charges is None and outcome == "approved" else charges) or [],
            "agent": {"role": "agent", "team": "north"},
        } | data
        return self._event(f"decision.{outcome}", case_id, said)

    def approval(self, kind: str, version: int, case_id: str = "c-1", **data: Any) -> Record:
        """Publish an event of an approval, with the sequence of the last decision."""
        state = {
            "approval_id": f"apr_{case_id}",
            "case_id": case_id,
            "request_id": "r1",
            "version": version,
        }
        return self._event(f"approval.{kind}", case_id, {"approval": state, "reply_id": None} | data)

    def again(self, record: Record) -> Record:
        """Publish the same record again, later."""
        return self._append(record._replace(timestamp_ms=record.timestamp_ms + 5))

    def change(self, record: Record, **changes: Any) -> Record:
        """Replace the content of a record. `data__<name>` changes a key of `data`."""
        event = copy.deepcopy(json.loads(record.value or b""))
        for name, value in changes.items():
            if name.startswith("data__"):
                event["data"][name.removeprefix("data__")] = value
            else:
                event[name] = value
        changed = record._replace(value=json.dumps(event).encode())
        into = self.topics.of(record.topic)
        into[into.index(record)] = changed
        return changed

    def findings(self) -> list[str]:
        """The broken promises."""
        return audit(self.topics, "acme")

    def _event(self, kind: str, case_id: str, data: dict[str, Any]) -> Record:
        event = {
            "type": f"mandaat.{kind}.v1",
            "id": f"{kind}/{case_id}/{data.get('approval', {}).get('version', data.get('decided_by'))}",
            "sequence": f"{self.sequence:016d}",
            "cause": f"cause of {self.sequence}",
            "tenant": "acme",
        }
        return self._put(DECISIONS, f"acme/{case_id}", event | {"data": data}, self.sequence // 1000)

    def _put(self, topic: str, key: str, value: Any, timestamp_ms: int = 0) -> Record:
        return self._append(Record(topic, 0, 0, timestamp_ms, key.encode(), json.dumps(value).encode(), ()))

    def _append(self, record: Record) -> Record:
        into = self.topics.of(record.topic)
        into.append(record._replace(offset=len(into)))
        return into[-1]


def spent(amount: str = "30.00", day: str = "2026-03-02", customer: str = "cu-1") -> list[dict[str, Any]]:
    """The charges of mandate `small`."""
    return [
        {"budget": "day", "scope": "agent:agent-01", "window": day, "amount": amount},
        {"budget": "month", "scope": f"customer:{customer}", "window": day, "amount": amount},
    ]


def given_back(charges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same charges, negative."""
    return [charge | {"amount": f"-{charge['amount']}"} for charge in charges]
