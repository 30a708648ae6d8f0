"""The HTTP interface: where a case stands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Path
from pydantic import BaseModel, Field

from schemas.approval import Approval, Closing
from schemas.case import Case, Customer, DecisionRequest, Origin
from schemas.cloud_event import Sequence
from schemas.decision import Decision, Reason
from schemas.ids import id_in_path, record_key
from schemas.moment import Moment
from schemas.notice import Notice
from schemas.request_status import Failure, RequestState
from services.chassis.http.keys import Keys
from services.chassis.http.server import HttpProblem
from services.notifier.outbox.case_view import view_of
from services.notifier.outbox.store import OutboxStore


class DecisionView(Decision):
    """One decision, with the time and the sequence of its event."""

    time: Moment
    sequence: Sequence


class ReplyView(BaseModel):
    """One reply to the approval of a request, and what became of it."""

    reply_id: str | None
    giver: str | None
    verdict: Literal["approve", "reject"] | None = Field(
        description="The verdict; null in events of older versions."
    )
    outcome: Literal["closed", "late", "not_entitled", "failed"] = Field(
        description="`closed`: it decided the request. `late`: the approval was closed before."
        " `not_entitled`: the person may not give it. `failed`: it became a dead letter. `reasons` say why."
    )
    time: Moment
    sequence: Sequence | None
    note: str | None = Field(description="The words of the person.")
    reasons: list[Reason]
    closing: Closing | None = Field(description="How the approval ended, and by whom, if it had ended.")
    closed_at: Moment | None = Field(description="The time at which the approval was closed.")


class FailureView(Failure):
    """A record about the request that became a dead letter."""

    of: Literal["submission", "withdrawal", "reply"]
    time: Moment


class RequestView(BaseModel):
    """One request of a case as it was submitted, the decisions on it, its approval, and the replies."""

    request_id: str
    state: RequestState
    request: DecisionRequest
    opened_at: Moment
    channel: str | None
    customer: Customer
    agent_id: str | None
    category: str | None
    subject: str | None
    facts: dict[str, Any] = Field(description="The facts that came with this request.")
    claims: dict[str, Any] | None
    origin: Origin | None
    decisions: list[DecisionView]
    approval: Approval | None
    replies: list[ReplyView]
    failures: list[FailureView]


class NoticeView(Notice):
    """How one notice ended."""

    outcome: str
    time: Moment


class CaseView(BaseModel):
    """Where a case stands. `case` is as it was submitted with the newest request."""

    case: Case
    requests: list[RequestView]
    notices: list[NoticeView]


def add_routes(app: FastAPI, store: OutboxStore, keys: Keys) -> None:
    """Add the routes to the application."""

    @app.get(
        "/v1/cases/{case_id:path}",
        response_model=None,
        responses={200: {"model": CaseView, "description": "The case, its requests and its notices"}},
    )
    async def case(
        case_id: Annotated[str, Path(description="The source's id, percent-encoded.")],
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> dict[str, Any]:
        caller = keys.check(authorization, "read")
        named = id_in_path(case_id)
        found = None if named is None else view_of(await store.case(record_key(caller.tenant, named)))
        if found is None:
            raise HttpProblem(404, "unknown-case", "No case of your tenant has this id.")
        return found
