"""What an input's events mean for the ledger: the same whether just published or read from the journal.

Redis = f(journal): this is f. It is applied by the confirm of a round, at a take-over and at a cold start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import TypeAdapter

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.ids import RequestKey
from services.rules.core.inputs import reply_index_id


@dataclass(frozen=True)
class Entry:
    """What the index says of an input: its id, and the digest of what it was."""

    id: str
    digest: str


@dataclass(frozen=True)
class Effects:
    """What the events of one input do beside its index entry.

    `states`: approval -> its whole state as JSON. `links`: index ids whose newest decision this now is.
    """

    states: Mapping[str, bytes] = field(default_factory=dict)
    links: tuple[str, ...] = ()


_JOURNALLED: Final[TypeAdapter[CloudEvent[Decision] | CloudEvent[ApprovalEvent]]] = TypeAdapter(
    CloudEvent[Decision] | CloudEvent[ApprovalEvent]
)


def read_journalled(value: bytes) -> CloudEvent[Decision] | CloudEvent[ApprovalEvent]:
    """Read an event of mandaat.decisions that rules wrote. Raises ValidationError: the journal is damaged."""
    return _JOURNALLED.validate_json(value)


def effects_of(
    events: Iterable[CloudEvent[Decision] | CloudEvent[ApprovalEvent]],
) -> tuple[Entry, Effects]:
    """The index entry and effects of all events of one `sequence`.

    An approval event with a reply was caused by that reply; else the decision's request was the input.
    """
    decision: Decision | None = None
    approval: ApprovalEvent | None = None
    tenant = ""
    states: dict[str, bytes] = {}
    for event in events:
        tenant = event.tenant or tenant
        data = event.data
        if isinstance(data, Decision):
            decision = data
            continue
        approval = data
        if event.type in _CHANGES_STATE:
            states[data.approval.approval_id] = data.approval.model_dump_json().encode()
    if approval is not None and approval.reply_id is not None:
        about = approval.approval
        entry = Entry(
            reply_index_id(about.tenant, about.approval_id, approval.reply_id), approval.reply_digest or ""
        )
        link = RequestKey(about.tenant, about.case_id, about.request_id).index_id
        return entry, Effects(states, (link,) if decision is not None else ())
    if decision is None:
        raise ValueError("events of one sequence hold neither a decision nor a reply")
    key = RequestKey(tenant, decision.case_id, decision.request_id)
    return Entry(key.index_id, decision.request_digest), Effects(states)


_CHANGES_STATE: Final = frozenset({types.APPROVAL_REQUESTED, types.APPROVAL_CLOSED})
