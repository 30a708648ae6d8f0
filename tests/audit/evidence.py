"""The records of one tenant, sorted: requests, their inputs, and the published events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from tests.audit.budgets import Policy, read_policy
from tests.audit.topics import Parsing, Place, Record, Topics, letters_by_place, place_of

UNHEARD = ("approval.late", "approval.not_entitled")
CONFLICT = "conflict"


class Event(NamedTuple):
    """An event of the journal at its first appearance."""

    id: str
    type: str
    sequence: int
    record: Record
    data: dict[str, Any]


class Request(NamedTuple):
    """The ids of case and request."""

    case_id: str
    request_id: str


class Content(NamedTuple):
    """The content that makes a repeat the same, compared by value."""

    agent_id: str | None
    customer_id: str
    kind: str
    amount: Decimal | None
    currency: str | None
    discretion: bool


class Came(NamedTuple):
    """A submission (with its content) or a withdrawal (without), and its place in the log."""

    place: Place
    content: Content | None
    time: datetime


class Evidence:
    """Everything about one tenant. `letters`: the reasons of dead letters, by the places of their records."""

    def __init__(self, topics: Topics, tenant: str) -> None:
        self.tenant = tenant
        self._parsing = Parsing()
        self._prefix = f"{tenant}/".encode()
        self.letters: Mapping[Place, set[str]] = letters_by_place(topics.dead_letters)
        self.journal = [one for one in topics.decisions if self._ours(one)]
        self.events = self._first_appearances()
        self.decisions = self._by_request("decision.")
        self.approvals = self._by_request("approval.")
        self.policies = self._read_policies(topics.policies)
        self.came: defaultdict[Request, list[Came]] = defaultdict(list)
        self.unread: list[Record] = []
        for record in topics.cases:
            if self._ours(record):
                self._sort(record)
        self.replies = [one for one in topics.replies if self._ours(one)]
        self._replied = self._reply_times()

    def counted(self, request: Request) -> list[Came]:
        """The readable inputs of a request, in the order of its partition."""
        return [one for one in self.came.get(request, ()) if self.letters.get(one.place, set()) <= {CONFLICT}]

    def event(self, record: Record) -> dict[str, Any]:
        """The CloudEvent in a record; empty if there is none."""
        return self._parsing.event(record) or {}

    def judged_at(self, decision: Event) -> datetime | None:
        """The time of the input: of the verdict if a person decided, else of the submission."""
        request = request_of(decision.data)
        if decision.data["decided_by"] is None:
            return next((one.time for one in self.counted(request) if one.content is not None), None)
        closed = [one for one in self.approvals.get(request, ()) if one.sequence == decision.sequence]
        return next((self._replied.get(one.data["reply_id"], {}).get(request) for one in closed), None)

    def policy_of(self, decision: Event) -> Policy | None:
        """The policy version that a decision names."""
        return self.policies.get(decision.data["policy"]["digest"])

    def newest_before(self, withdrawn: Event) -> Event | None:
        """The decision on the same request before a withdrawal."""
        before = [
            one for one in self.decisions[request_of(withdrawn.data)] if one.sequence < withdrawn.sequence
        ]
        return before[-1] if before else None

    def _ours(self, record: Record) -> bool:
        return record.key is not None and record.key.startswith(self._prefix)

    def _first_appearances(self) -> list[Event]:
        found: dict[str, Event] = {}
        for record in self.journal:
            said = self.event(record)
            kind = said["type"].removeprefix("mandaat.").removesuffix(".v1")
            if said["id"] not in found:
                found[said["id"]] = Event(said["id"], kind, int(said["sequence"]), record, said["data"])
        return list(found.values())

    def _by_request(self, kinds: str) -> Mapping[Request, list[Event]]:
        """The events, by sequence."""
        found: defaultdict[Request, list[Event]] = defaultdict(list)
        for one in sorted(self.events, key=lambda event: event.sequence):
            if one.type.startswith(kinds):
                found[request_of(one.data.get("approval") or one.data)].append(one)
        return found

    def _reply_times(self) -> dict[str, dict[Request, datetime]]:
        found: defaultdict[str, dict[Request, datetime]] = defaultdict(dict)
        for record in self.replies:
            if said := self.event(record):
                found[said["data"]["reply_id"]].setdefault(request_of(said["data"]), _moment(said["time"]))
        return found

    def _read_policies(self, records: list[Record]) -> dict[str, Policy]:
        found = {}
        for record in records:
            key = (record.key or b"").decode()
            if record.value is not None and key.startswith(f"{self.tenant}/"):
                found[key.partition("/")[2]] = read_policy(json.loads(record.value)["yaml"])
        return found

    def _sort(self, record: Record) -> None:
        said = self.event(record)
        data = said.get("data", {})
        match said.get("type"):
            case "mandaat.case.submitted.v1" if "request" in data:
                asked = data["request"]
                request = Request(data["case_id"], asked["request_id"])
                came = Came(place_of(record), _content(data, asked), _moment(said["time"]))
            case "mandaat.case.withdrawn.v1":
                request = request_of(data)
                came = Came(place_of(record), None, _moment(said["time"]))
            case _:
                self.unread.append(record)
                return
        self.came[request].append(came)


def request_of(data: Mapping[str, Any]) -> Request:
    """The request that an event is about."""
    return Request(data["case_id"], data["request_id"])


def _content(case: Mapping[str, Any], asked: Mapping[str, Any]) -> Content:
    amount = asked.get("amount")
    return Content(
        case.get("agent_id"),
        case["customer"]["id"],
        asked["kind"],
        None if amount is None else Decimal(amount),
        asked.get("currency"),
        bool(asked.get("discretion")),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
