"""What comes in to be decided: submissions of cases, withdrawals and verdicts, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.fast_paths.submission_decoder import decode_submission
from schemas import topics, types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.errors import Unreadable
from schemas.ids import RequestKey, approval_id, record_key, split_approval_id
from schemas.model import ENVELOPE_DEPTH, MAX_DEPTH, cached
from schemas.reading import parse_json, read
from schemas.reply import Verdict
from schemas.request_digest import reply_digest, request_digest
from schemas.withdrawal import WITHDRAWN
from schemas.withdrawal import Withdrawal as RequestWithdrawn


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

    @cached
    def index_id(self) -> str:
        """The id under which the ledger settles it, for ever."""
        return self.case.key.index_id

    @cached
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

    @cached
    def index_id(self) -> str:
        """The id under which the ledger settles it: the same reply_id is the same reply."""
        return reply_index_id(self.tenant, self.verdict.approval_id, self.verdict.reply_id)

    @cached
    def digest(self) -> str:
        """Equal for the same reply, different for a conflict."""
        return reply_digest(self.type, self.verdict)


@dataclass(frozen=True)
class Withdrawal:
    """A request that is withdrawn, at `partition` of mandaat.cases."""

    partition: int
    event_id: str
    time: datetime
    traceparent: str | None
    asked: RequestWithdrawn

    @property
    def tenant(self) -> str:
        """Whose case it is."""
        return self.asked.tenant

    @property
    def case_key(self) -> tuple[str, str]:
        """What identifies the case."""
        return self.asked.tenant, self.asked.case_id

    @property
    def request_key(self) -> RequestKey:
        """The request that is withdrawn."""
        return self.asked.key

    @property
    def state_id(self) -> str:
        """Where the ledger keeps the approval of the request, if it has one."""
        return state_id(self.tenant, approval_id(self.asked.case_id, self.asked.request_id))

    @cached
    def index_id(self) -> str:
        """The id under which the ledger settles it: a request is withdrawn once, for ever."""
        return withdrawal_index_id(self.asked.key)

    @property
    def digest(self) -> str:
        """Every withdrawal of a request is the same one."""
        return WITHDRAWN


Input = Submission | Withdrawal | Reply

_SUBMITTED: Final = CloudEvent[Case]
_REPLIED: Final = CloudEvent[Verdict]

_TAKES: Final = {
    topics.CASES: frozenset({types.CASE_SUBMITTED, types.CASE_WITHDRAWN}),
    topics.REPLIES: frozenset({types.VERDICT_APPROVE, types.VERDICT_REJECT}),
}
_WITHDRAWN: Final = types.CASE_WITHDRAWN.encode()


def reply_index_id(tenant: str, approval_id: str, reply_id: str) -> str:
    """The id of a reply in the ledger's index."""
    return f"in/{tenant}/{approval_id}/{reply_id}"


def withdrawal_index_id(request: RequestKey) -> str:
    """The id of the withdrawal of a request in the ledger's index.

    Its second NUL keeps it apart from every request, also of a tenant that is called `in`.
    """
    return f"in/{request.index_id}\x00withdrawn"


def state_id(tenant: str, approval_id: str) -> str:
    """Where the ledger keeps an approval: its id names no tenant, and nothing crosses tenants."""
    return f"{tenant}/{approval_id}"


def read_input(topic: str, partition: int, key: bytes | None, value: bytes | None) -> Input:
    """Read one record of mandaat.cases or mandaat.replies. Raises Unreadable."""
    try:
        if topic == topics.CASES:
            return _of_case(partition, key, value)
        return _reply(partition, key, read(_REPLIED, value))
    except Unreadable as why:
        other = _of_another_type(topic, value)
        if other is None:
            raise
        raise other from why


def _of_another_type(topic: str, value: bytes | None) -> Unreadable | None:
    """What an event of a type that is not taken lacks of one that is, says nothing."""
    given = _type_of(value)
    return _unknown_type(topic) if given is not None and given not in _TAKES[topic] else None


def _type_of(value: bytes | None) -> str | None:
    try:
        event = parse_json(value, MAX_DEPTH + ENVELOPE_DEPTH)
    except Unreadable:
        return None
    given = event.get("type") if isinstance(event, dict) else None
    return given if isinstance(given, str) else None


def _of_case(partition: int, key: bytes | None, value: bytes | None) -> Submission | Withdrawal:
    plain = None if value is None else decode_submission(key, value)
    if plain is not None:
        return Submission(partition, plain.event_id, plain.time, plain.traceparent, plain.case)
    # Nearly all are submissions: another type is looked for only where it may stand.
    if value is not None and _WITHDRAWN in value and _type_of(value) == types.CASE_WITHDRAWN:
        return _withdrawal(partition, key, read(CloudEvent[RequestWithdrawn], value))
    return _submission(partition, key, read(_SUBMITTED, value))


def _withdrawal(partition: int, key: bytes | None, event: CloudEvent[RequestWithdrawn]) -> Withdrawal:
    asked = event.data
    _check(event, topics.CASES, key, asked.tenant, asked.case_id)
    return Withdrawal(partition, event.id, event.time, event.traceparent, asked)


def _submission(partition: int, key: bytes | None, event: CloudEvent[Case]) -> Submission:
    case = event.data
    if event.type == types.CASE_WITHDRAWN:  # in letters that JSON escapes, and with a whole case as its data
        raise _unknown_type(topics.CASES)
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
    event: CloudEvent[Case] | CloudEvent[RequestWithdrawn] | CloudEvent[Verdict],
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
