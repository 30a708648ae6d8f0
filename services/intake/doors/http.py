"""The HTTP door of intake: routes and answers."""

from collections.abc import Iterable
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, FastAPI, Header, Path, Request, Response
from pydantic import BaseModel, Field

from schemas.case import Case, SubmittedCase
from schemas.errors import Flaw
from schemas.ids import id_in_path
from schemas.model import is_absent
from schemas.request_status import RequestStatus, status_of
from schemas.withdrawal import Withdrawal, WithdrawalBody
from services.chassis.http.keys import Caller, Keys
from services.intake.accepting import HTTP, Intake
from services.intake.accepting_over_http import (
    JSON,
    CallerDependency,
    accept_body,
    caller_with,
    check_tenant,
    read_message,
)
from services.intake.answering.preferences import wait_preferred
from services.intake.answering.waiters import Answer, Waiters
from services.intake.openapi_bodies import body_of, describe_bodies
from services.intake.reading.replies import REPLY_KINDS, Reply, ReplyKind, named_by, read_reply
from services.intake.reading.submission import read_submission, read_withdrawal


class BodyWarning(BaseModel):
    """A key of the body that was ignored, but is spelt like a known one."""

    pointer: str = Field(description="The place of the key in the body, as a JSON pointer (RFC 6901).")
    detail: str


_WARNINGS: Final = Field(
    default=None,
    exclude_if=is_absent,
    description="Keys that were ignored, but are spelt like known ones. Left out if there are none.",
)


class AcceptedCase(BaseModel):
    """The case is kept: it will get a decision, or become a dead letter."""

    case_id: str
    request_id: str
    event_id: str = Field(description="The id of mandaat.case.submitted on mandaat.cases.")
    status_url: str | None = Field(
        description="The address of the case's status; null if intake does not know it."
    )
    request_url: str | None = Field(
        default=None, description="The address of this request's status; null if intake does not know it."
    )
    warnings: list[BodyWarning] | None = _WARNINGS


class AnsweredRequest(RequestStatus):
    """Where the request stands, and what was ignored in the body that asked for it."""

    warnings: list[BodyWarning] | None = _WARNINGS


class AcceptedWithdrawal(BaseModel):
    """The withdrawal is kept. Customer and agent get a notice when it is done."""

    case_id: str
    request_id: str
    event_id: str = Field(description="The id of mandaat.case.withdrawn on mandaat.cases.")
    status_url: str | None = Field(
        description="The address of the case's status; null if intake does not know it."
    )
    warnings: list[BodyWarning] | None = _WARNINGS


class AcceptedReply(BaseModel):
    """The reply is kept. The person who gave it gets a notice if it has no effect."""

    approval_id: str
    case_id: str
    request_id: str
    event_id: str = Field(description="The id of the verdict on mandaat.replies.")
    warnings: list[BodyWarning] | None = _WARNINGS


def add_routes(app: FastAPI, intake: Intake, keys: Keys, notifier_url: str | None, waiters: Waiters) -> None:
    """Add the routes of this door to an application."""
    submitter = caller_with(keys, "submit")
    replier = caller_with(keys, "reply")

    @app.post(
        "/v1/cases",
        status_code=202,
        response_model=AcceptedCase,
        summary="Submit a case with a request",
        openapi_extra=body_of(SubmittedCase),
        responses={
            200: {"description": "The decision, for `Prefer: wait`", "model": AnsweredRequest},
            409: {
                "description": "The request is known with other content. Intake can tell for seven days, and"
                " while Redis keeps its data; otherwise rules finds the conflict, after a 202."
            },
        },
    )
    async def submit(
        request: Request,
        response: Response,
        caller: Annotated[Caller, Depends(submitter)],
        prefer: Annotated[
            list[str] | None,
            Header(description="`wait=2` waits up to 2 seconds for the decision (RFC 7240)."),
        ] = None,
    ) -> Any:
        def read(body: bytes) -> Case:
            submitted = read_submission(body)
            check_tenant(caller, submitted.tenant)
            return submitted.of(caller.tenant, origin=None)

        case, message, flaws = await read_message(intake, HTTP, request, caller, SubmittedCase, read)
        wait = wait_preferred(prefer or ())

        async def accept() -> None:
            await intake.accept([message], HTTP)

        answer, applied = None, "wait"
        if wait:
            answer = await waiters.answer_to(case, wait, accept, request.receive)
            applied = "wait" if wait <= waiters.longest else f"wait={waiters.longest:g}"
        else:
            await accept()
        status_url = _add_location(response, notifier_url, case.case_id)
        if answer is not None:
            return _answered(answer, applied, status_url, flaws)
        return AcceptedCase(
            case_id=case.case_id,
            request_id=case.request.request_id,
            event_id=message.event_id,
            status_url=status_url,
            request_url=_request_url(status_url, case.request.request_id),
            warnings=_warnings(flaws),
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
        accepted = await accept_body(intake, HTTP, request, caller, WithdrawalBody, read, about)
        return AcceptedWithdrawal(
            case_id=accepted.content.case_id,
            request_id=accepted.content.request_id,
            event_id=accepted.event_id,
            status_url=_add_location(response, notifier_url, accepted.content.case_id),
            warnings=_warnings(accepted.warnings),
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

        accepted = await accept_body(intake, HTTP, request, caller, kind.body, read, named_by(approval_id))
        return AcceptedReply(
            approval_id=accepted.content.verdict.approval_id,
            case_id=accepted.content.case_id,
            request_id=accepted.content.verdict.request_id,
            event_id=accepted.event_id,
            warnings=_warnings(accepted.warnings),
        )

    return reply


def _answered(answer: Answer, applied: str, status_url: str | None, flaws: Iterable[Flaw]) -> Response:
    """200 with the decision, in place of the 202. `applied`: the preference that was obeyed."""
    status = status_of(answer.decided, answer.asked, status_url=status_url)
    headers = {"Preference-Applied": applied}
    request_url = _request_url(status_url, status.request_id)
    if request_url is not None:
        headers["Content-Location"] = request_url  # a GET there answers the same (RFC 9110, 8.7)
    answered = AnsweredRequest.model_construct(**status.__dict__, warnings=_warnings(flaws))
    return Response(answered.model_dump_json(), media_type=JSON, headers=headers)


def _warnings(flaws: Iterable[Flaw]) -> list[BodyWarning] | None:
    return [BodyWarning(pointer=flaw.pointer, detail=flaw.text) for flaw in flaws] or None


def _add_location(response: Response, notifier_url: str | None, case_id: str) -> str | None:
    """The address of the case's status, which also becomes the header Location."""
    url = _status_url(notifier_url, case_id)
    if url is not None:
        response.headers["location"] = url
    return url


def _status_url(notifier_url: str | None, case_id: str) -> str | None:
    if notifier_url is None:
        return None
    return f"{notifier_url.rstrip('/')}/v1/cases/{_escaped(case_id)}"


def _request_url(status_url: str | None, request_id: str) -> str | None:
    return None if status_url is None else f"{status_url}/requests/{_escaped(request_id)}"


def _escaped(one_id: str) -> str:
    """The id as one step of a path."""
    escaped = quote(one_id, safe="")
    if escaped in (".", ".."):  # a client would take these for steps up the path
        return escaped.replace(".", "%2E")
    return escaped
