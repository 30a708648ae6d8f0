"""The HTTP door of intake: routes and answers."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Path, Request, Response
from pydantic import BaseModel, Field

from schemas.case import Case, SubmittedCase
from schemas.ids import id_in_path
from schemas.withdrawal import Withdrawal, WithdrawalBody
from services.chassis.http.keys import Caller, Keys
from services.intake.accepting import HTTP, Intake
from services.intake.accepting_over_http import CallerDependency, accept_body, caller_with, check_tenant
from services.intake.openapi_bodies import body_of, describe_bodies
from services.intake.reading.replies import REPLY_KINDS, Reply, ReplyKind, named_by, read_reply
from services.intake.reading.submission import read_submission, read_withdrawal


class AcceptedCase(BaseModel):
    """The case is kept: it will get a decision, or become a dead letter."""

    case_id: str
    request_id: str
    event_id: str = Field(description="The id of mandaat.case.submitted on mandaat.cases.")
    status_url: str | None = Field(
        description="The address of the case's status, soon after this; null if intake does not know it."
    )


class AcceptedWithdrawal(BaseModel):
    """The withdrawal is kept. Customer and agent get a notice when it is done."""

    case_id: str
    request_id: str
    event_id: str = Field(description="The id of mandaat.case.withdrawn on mandaat.cases.")
    status_url: str | None = Field(
        description="The address of the case's status, soon after this; null if intake does not know it."
    )


class AcceptedReply(BaseModel):
    """The reply is kept. The person who gave it gets a notice if it has no effect."""

    approval_id: str
    case_id: str
    request_id: str
    event_id: str = Field(description="The id of the verdict on mandaat.replies.")


def add_routes(app: FastAPI, intake: Intake, keys: Keys, notifier_url: str | None) -> None:
    """Add the routes of this door to an application."""
    submitter = caller_with(keys, "submit")
    replier = caller_with(keys, "reply")

    @app.post(
        "/v1/cases",
        status_code=202,
        response_model=AcceptedCase,
        summary="Submit a case with a request",
        openapi_extra=body_of(SubmittedCase),
        responses={409: {"description": "The request is known with other content"}},
    )
    async def submit(
        request: Request, response: Response, caller: Annotated[Caller, Depends(submitter)]
    ) -> AcceptedCase:
        def read(body: bytes) -> Case:
            submitted = read_submission(body)
            check_tenant(caller, submitted.tenant)
            return submitted.of(caller.tenant, origin=None)

        accepted = await accept_body(intake, HTTP, request, caller, read)
        return AcceptedCase(
            case_id=accepted.content.case_id,
            request_id=accepted.content.request.request_id,
            event_id=accepted.event_id,
            status_url=_add_location(response, notifier_url, accepted.content.case_id),
        )

    @app.post(
        "/v1/cases/{case_id:path}/withdrawal",
        status_code=202,
        response_model=AcceptedWithdrawal,
        summary="Withdraw a request",
        openapi_extra=body_of(WithdrawalBody),
    )
    async def withdraw(
        case_id: Annotated[str, Path(description="The source's id of the case, percent-encoded.")],
        request: Request,
        response: Response,
        caller: Annotated[Caller, Depends(submitter)],
    ) -> AcceptedWithdrawal:
        def read(body: bytes) -> Withdrawal:
            submitted = read_withdrawal(case_id, body)
            check_tenant(caller, submitted.tenant)
            return submitted.of(caller.tenant)

        named = id_in_path(case_id)
        about = {} if named is None else {"case_id": named}
        accepted = await accept_body(intake, HTTP, request, caller, read, about)
        return AcceptedWithdrawal(
            case_id=accepted.content.case_id,
            request_id=accepted.content.request_id,
            event_id=accepted.event_id,
            status_url=_add_location(response, notifier_url, accepted.content.case_id),
        )

    for kind in REPLY_KINDS:
        app.post(
            f"/v1/approvals/{{approval_id}}/{kind.name}",
            status_code=202,
            response_model=AcceptedReply,
            summary=f"{kind.name.capitalize()} an escalated request",
            operation_id=kind.name,
            openapi_extra=body_of(kind.body),
        )(_reply_route(intake, kind, replier))
    describe_bodies(app, SubmittedCase, WithdrawalBody, *dict.fromkeys(kind.body for kind in REPLY_KINDS))


def _reply_route(intake: Intake, kind: ReplyKind, replier: CallerDependency) -> Any:
    async def reply(
        approval_id: Annotated[str, Path(description="The id in the notice to the approver: `apr_...`.")],
        request: Request,
        caller: Annotated[Caller, Depends(replier)],
    ) -> AcceptedReply:
        def read(body: bytes) -> Reply:
            return read_reply(kind, approval_id, body, caller.tenant)

        accepted = await accept_body(intake, HTTP, request, caller, read, named_by(approval_id))
        return AcceptedReply(
            approval_id=accepted.content.verdict.approval_id,
            case_id=accepted.content.case_id,
            request_id=accepted.content.verdict.request_id,
            event_id=accepted.event_id,
        )

    return reply


def _add_location(response: Response, notifier_url: str | None, case_id: str) -> str | None:
    """The address of the case's status, which also becomes the header Location."""
    url = _status_url(notifier_url, case_id)
    if url is not None:
        response.headers["location"] = url
    return url


def _status_url(notifier_url: str | None, case_id: str) -> str | None:
    if notifier_url is None:
        return None
    escaped = quote(case_id, safe="")
    if escaped in (".", ".."):  # a client would take these for steps up the path
        escaped = escaped.replace(".", "%2E")
    return f"{notifier_url.rstrip('/')}/v1/cases/{escaped}"
