"""What comes in to be decided: submissions of cases and verdicts of people, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from schemas import topics, types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.errors import Unreadable
from schemas.ids import RequestKey, record_key, split_approval_id
from schemas.model import ENVELOPE_DEPTH, MAX_DEPTH
from schemas.reading import parse_json, read
from schemas.reply import Verdict
from schemas.request_digest import reply_digest, request_digest


@dataclass(frozen=True)
class Submission:
    """A case that was submitted, at `partition` of mandaat.cases."""

    partition: int
    event_id: str
    time: datetime
    traceparent: str | None
    case: Case

    @property
    def tenant(self) -> str:
        """Whose case it is."""
        return self.case.tenant

    @property
    def case_key(self) -> tuple[str, str]:
        """What identifies the case."""
        return self.case.tenant, self.case.case_id

    @property
    def request_key(self) -> RequestKey:
        """The request that it makes."""
        return self.case.key

    @cached_property
    def index_id(self) -> str:
        """The id under which the ledger settles it, for ever."""
        return self.case.key.index_id

    @cached_property
    def digest(self) -> str:
        """Equal for the same request, different for a conflict (DESIGN.md, Policy 7)."""
        return request_digest(self.case)


@dataclass(frozen=True)
class Reply:
    """A verdict that somebody gave, at `partition` of mandaat.replies."""

    partition: int
    event_id: str
    time: datetime
    traceparent: str | None
    tenant: str
    type: str
    verdict: Verdict

    @property
    def case_key(self) -> tuple[str, str]:
        """What identifies the case."""
        return self.tenant, self.verdict.case_id

    @property
    def request_key(self) -> RequestKey:
        """The request that the verdict is about."""
        return RequestKey(self.tenant, self.verdict.case_id, self.verdict.request_id)

    @property
    def state_id(self) -> str:
        """Where the ledger keeps the approval that it is about."""
        return state_id(self.tenant, self.verdict.approval_id)

    @cached_property
    def index_id(self) -> str:
        """The id under which the ledger settles it: the same reply_id is the same reply."""
        return reply_index_id(self.tenant, self.verdict.approval_id, self.verdict.reply_id)

    @cached_property
    def digest(self) -> str:
        """Equal for the same reply, different for a conflict."""
        return reply_digest(self.type, self.verdict)


Input = Submission | Reply

_TAKES: Final = {
    topics.CASES: frozenset({types.CASE_SUBMITTED}),
    topics.REPLIES: frozenset({types.VERDICT_APPROVE, types.VERDICT_REJECT}),
}


def reply_index_id(tenant: str, approval_id: str, reply_id: str) -> str:
    """The id of a reply in the ledger's index."""
    return f"in/{tenant}/{approval_id}/{reply_id}"


def state_id(tenant: str, approval_id: str) -> str:
    """Where the ledger keeps an approval: its id names no tenant, and nothing crosses tenants."""
    return f"{tenant}/{approval_id}"


def read_input(topic: str, partition: int, key: bytes | None, value: bytes | None) -> Input:
    """Read one record of mandaat.cases or mandaat.replies. Raises Unreadable."""
    try:
        if topic == topics.CASES:
            return _submission(partition, key, read(CloudEvent[Case], value))
        return _reply(partition, key, read(CloudEvent[Verdict], value))
    except Unreadable as why:
        other = _of_another_type(topic, value)
        if other is None:
            raise
        raise other from why


def _of_another_type(topic: str, value: bytes | None) -> Unreadable | None:
    """What an event of a type that is not taken lacks of one that is, says nothing."""
    try:
        event = parse_json(value, MAX_DEPTH + ENVELOPE_DEPTH)
    except Unreadable:
        return None
    given = event.get("type") if isinstance(event, dict) else None
    return _unknown_type(topic) if isinstance(given, str) and given not in _TAKES[topic] else None


def _submission(partition: int, key: bytes | None, event: CloudEvent[Case]) -> Submission:
    case = event.data
    _check(event, topics.CASES, key, case.tenant, case.case_id)
    return Submission(partition, event.id, event.time, event.traceparent, case)


def _reply(partition: int, key: bytes | None, event: CloudEvent[Verdict]) -> Reply:
    verdict = event.data
    tenant = _check(event, topics.REPLIES, key, event.tenant, verdict.case_id)
    try:
        named = split_approval_id(verdict.approval_id)
    except ValueError:
        named = None
    if named != (verdict.case_id, verdict.request_id):
        raise Unreadable(
            "unknown_approval",
            "/data/approval_id: names another request than case_id and request_id; send the approval's own.",
        )
    return Reply(partition, event.id, event.time, event.traceparent, tenant, event.type, verdict)


def _check(
    event: CloudEvent[Case] | CloudEvent[Verdict],
    topic: str,
    key: bytes | None,
    tenant: str | None,
    case_id: str,
) -> str:
    if event.type not in _TAKES[topic]:
        raise _unknown_type(topic)
    if tenant is None or event.tenant is None:
        raise Unreadable("missing_field", "/tenant: is missing; every event names its tenant.")
    if event.tenant != tenant or event.subject not in (None, case_id):
        raise Unreadable(
            "key_mismatch", "The event's tenant or subject disagrees with the tenant or case_id in its data."
        )
    if key != record_key(tenant, case_id).encode():
        raise Unreadable(
            "key_mismatch",
            "The record's key is not <tenant>/<case_id> of its body; publish it with that key.",
        )
    return tenant


def _unknown_type(topic: str) -> Unreadable:
    taken = " and ".join(sorted(_TAKES[topic]))
    return Unreadable("unknown_type", f"/type: {topic} takes {taken}, and not this one.")
