"""The case file: what the notifier keeps of a case, as the fields of one hash in Redis.

```
s:<request_id> NUL <digest>   the case as it was submitted with that request
l:<request_id>                the digest of that request as it was submitted last
e:<event id>                  an event of mandaat.decisions, byte for byte
x:<request_id>                present once somebody asked to withdraw the request
p:<request_id>                the approvers of the request's approval, while it is open
o:<request_id>                present while the approval is open
w:<request_id>                the remark with which somebody closed it (older decisions have none of it)
n:<notice id>                 how a notice ended
```
A submission is found by the digest of its request. So a submission that rules refused as a conflict never
lends its name and address to the decision on another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from schemas import types
from schemas.approval import ApprovalEvent
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.moment import utc_text
from schemas.notice import Notice
from schemas.request_digest import request_digest
from schemas.withdrawal import Withdrawal
from services.notifier.channels.channel import Material
from services.notifier.planning.event_kinds import Event, request_of
from services.notifier.planning.notice import PendingNotice
from services.notifier.planning.reading import read_event


def submission_field(request_id: str, digest: str) -> str:
    """The field with the case as it was submitted with this request."""
    return f"s:{request_id}\x00{digest}"


def last_field(request_id: str) -> str:
    """The field with the digest of the request as it was submitted last."""
    return f"l:{request_id}"


def event_field(event_id: str) -> str:
    """The field with an event."""
    return f"e:{event_id}"


def approvers_field(request_id: str) -> str:
    """The field with the approvers who are asked about a request."""
    return f"p:{request_id}"


def remark_field(request_id: str) -> str:
    """The field with the remark of the person who decided a request."""
    return f"w:{request_id}"


def of_case(case: Case | Withdrawal) -> tuple[tuple[str, bytes], ...]:
    """The fields that a submission or a withdrawal sets."""
    if isinstance(case, Withdrawal):
        return ((f"x:{case.request_id}", b"1"),)
    request_id, digest = case.request.request_id, request_digest(case)
    return (
        (submission_field(request_id, digest), case.model_dump_json().encode()),
        (last_field(request_id), digest.encode()),
    )


def of_event(event: Event, raw: bytes) -> tuple[tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    """The fields that an event sets, and those that it removes."""
    request_id = request_of(event).request_id
    fields: list[tuple[str, bytes]] = [(event_field(event.id), raw)]
    removed: tuple[str, ...] = ()
    asked = approvers_after(event)
    if asked is not None:
        of_approval = (approvers_field(request_id), f"o:{request_id}")
        if isinstance(event.data, ApprovalEvent) and event.data.approval.state == "closed":
            removed = of_approval
            if event.data.note:
                fields.append((remark_field(request_id), event.data.note.encode()))
        else:
            fields += zip(of_approval, (json.dumps(asked).encode(), b"1"), strict=True)
    return tuple(fields), removed


def approvers_after(event: Event) -> tuple[str, ...] | None:
    """The approvers who are asked after this event; None where it changes nothing about that."""
    if not isinstance(event.data, ApprovalEvent) or event.type not in types.CHANGES_APPROVAL:
        return None
    approval = event.data.approval
    return () if approval.state == "closed" else approval.approvers


def read_approvers(field: bytes | None) -> tuple[str, ...]:
    """The approvers in an approvers field."""
    return () if field is None else tuple(json.loads(field))


def material_fields(notice: PendingNotice, *, needs_case: bool) -> tuple[str, ...]:
    """The fields that hold the material of a notice."""
    of_event = (event_field(notice.about),)
    if not needs_case:
        return of_event
    submission = submission_field(notice.request_id, notice.request_digest)
    return (*of_event, submission, remark_field(notice.request_id))


def read_material(values: Sequence[bytes | None]) -> Material | None:
    """The material in the values of those fields; None where the event is no longer kept."""
    event, submission, remark = (*values, None, None)[:3]
    notifiable = read_event(event) if event is not None else None
    if notifiable is None:
        return None
    case = Case.model_validate_json(submission) if submission is not None else None
    return Material(notifiable, case, remark.decode() if remark is not None else None)


def notice_line(event: CloudEvent[Notice]) -> bytes:
    """How a notice ended, as the case file keeps it."""
    line = event.data.model_dump(mode="json") | {
        "outcome": "delivered" if event.type == types.NOTICE_DELIVERED else "failed",
        "time": utc_text(event.time),
    }
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
