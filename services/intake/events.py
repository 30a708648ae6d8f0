"""What intake publishes of what it accepts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.reply import Verdict
from schemas.types import CASE_SUBMITTED, CASE_WITHDRAWN, VERDICT_APPROVE, VERDICT_REJECT
from schemas.withdrawal import Withdrawal

SOURCE: Final = "/mandaat/intake"
VERDICT_TYPES: Final = {"approve": VERDICT_APPROVE, "reject": VERDICT_REJECT}
"""The verb in the path of a reply -> the type of its event."""

_LOG_APPEND_TIME: Final = 1


def accepted_at(timestamp_ms: int, timestamp_type: int, now: datetime) -> datetime:
    """When a record of mandaat.inbound was accepted: when the broker appended it, if it says so, else now.

    A time that the broker set is the same at each redelivery, so the event is the same byte for byte; a time
    that the producer set is not believed, for it is the clock of the budgets.
    """
    if timestamp_type != _LOG_APPEND_TIME:
        return now
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def case_submitted(
    case: Case, *, event_id: str, accepted_at: datetime, traceparent: str | None
) -> CloudEvent[Case]:
    """The event of an accepted case. `accepted_at` is the clock of its budgets (DESIGN.md, Policy 6)."""
    return CloudEvent[Case](
        id=event_id,
        source=SOURCE,
        type=CASE_SUBMITTED,
        subject=case.case_id,
        time=accepted_at,
        tenant=case.tenant,
        traceparent=traceparent,
        data=case,
    )


def case_withdrawn(
    withdrawal: Withdrawal, *, event_id: str, accepted_at: datetime, traceparent: str | None
) -> CloudEvent[Withdrawal]:
    """The event of an accepted withdrawal."""
    return CloudEvent[Withdrawal](
        id=event_id,
        source=SOURCE,
        type=CASE_WITHDRAWN,
        subject=withdrawal.case_id,
        time=accepted_at,
        tenant=withdrawal.tenant,
        traceparent=traceparent,
        data=withdrawal,
    )


def verdict_given(
    verdict: Verdict, verb: str, *, tenant: str, event_id: str, accepted_at: datetime, traceparent: str | None
) -> CloudEvent[Verdict]:
    """The event of an accepted verdict. `verb` is a key of VERDICT_TYPES."""
    return CloudEvent[Verdict](
        id=event_id,
        source=SOURCE,
        type=VERDICT_TYPES[verb],
        subject=verdict.case_id,
        time=accepted_at,
        tenant=tenant,
        traceparent=traceparent,
        data=verdict,
    )
