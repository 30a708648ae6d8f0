"""The HTTP side of intake: who calls, in which format, and what is answered."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, FastAPI, Path, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from schemas.case import SubmittedCase
from schemas.reply import ReplyBody
from schemas.withdrawal import WithdrawalBody
from services.chassis.http.keys import Caller, Keys
from services.chassis.http.problems import HttpProblem
from services.intake.accepting import Accepted, Intake
from services.intake.doors.openapi import body_of, describe_bodies
from services.intake.events import VERDICT_TYPES

JSON: Final = "application/json"
BEARER: Final = HTTPBearer(auto_error=False, description="A key of MANDAAT_KEYS_FILE; it implies the tenant.")


class AcceptedCase(BaseModel):
    """The case is kept: it ends in a decision, or where operations look at what could not be handled."""

    case_id: str
    request_id: str
    event_id: str = Field(description="The id of mandaat.case.submitted on mandaat.cases.")
    status_url: str | None = Field(
        description="Where GET answers how the case stands, soon after this; null where intake was not told."
    )


class AcceptedWithdrawal(BaseModel):
    """The withdrawal is kept; customer and agent are told when it is done."""

    case_id: str
    request_id: str
    event_id: str = Field(description="The id of mandaat.case.withdrawn on mandaat.cases.")
    status_url: str | None = Field(
        description="Where GET answers how the case stands, soon after this; null where intake was not told."
    )


class AcceptedReply(BaseModel):
    """The reply is kept; whether it stands is told to whoever gave it."""

    approval_id: str
    case_id: str
    request_id: str
    event_id: str = Field(description="The id of the verdict on mandaat.replies.")


def add_routes(app: FastAPI, intake: Intake, keys: Keys, notifier_url: str | None) -> None:
    """Adds the routes of intake to an application."""

    async def submitter(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return keys.check(request.headers.get("authorization"), "submit")

    async def replier(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return keys.check(request.headers.get("authorization"), "reply")

    @app.post(
        "/v1/cases",
        status_code=202,
        response_model=AcceptedCase,
        summary="Submit a case with a request; 202 when it is kept",
        openapi_extra=body_of(SubmittedCase),
        responses={409: {"description": "The request is known with other content"}},
    )
    async def submit(
        request: Request, response: Response, caller: Annotated[Caller, Depends(submitter)]
    ) -> AcceptedCase:
        accepted = await intake.accept_case(
            await _json_body(request),
            tenant=caller.tenant,
            backfill="backfill" in caller.scopes,
            traceparent=request.headers.get("traceparent"),
        )
        where = _told_where(response, notifier_url, accepted)
        return AcceptedCase(**accepted._asdict(), status_url=where)

    @app.post(
        "/v1/cases/{case_id:path}/withdrawal",
        status_code=202,
        response_model=AcceptedWithdrawal,
        summary="Withdraw a request; 202 when that is kept",
        openapi_extra=body_of(WithdrawalBody),
    )
    async def withdraw(
        case_id: Annotated[str, Path(description="The source's id of the case, percent-encoded.")],
        request: Request,
        response: Response,
        caller: Annotated[Caller, Depends(submitter)],
    ) -> AcceptedWithdrawal:
        accepted = await intake.accept_withdrawal(
            case_id,
            await _json_body(request),
            tenant=caller.tenant,
            traceparent=request.headers.get("traceparent"),
        )
        where = _told_where(response, notifier_url, accepted)
        return AcceptedWithdrawal(**accepted._asdict(), status_url=where)

    for verb in VERDICT_TYPES:
        app.post(
            f"/v1/approvals/{{approval_id}}/{verb}",
            status_code=202,
            response_model=AcceptedReply,
            summary=f"{verb.capitalize()} an escalated request; 202 when the verdict is kept",
            operation_id=verb,
            openapi_extra=body_of(ReplyBody),
        )(_verdict_route(intake, verb, replier))
    describe_bodies(app, SubmittedCase, WithdrawalBody, ReplyBody)


def _verdict_route(intake: Intake, verb: str, replier: Any) -> Any:
    async def give_verdict(
        approval_id: Annotated[str, Path(description="As the notice to the approver names it: `apr_...`.")],
        request: Request,
        caller: Annotated[Caller, Depends(replier)],
    ) -> AcceptedReply:
        accepted = await intake.accept_verdict(
            verb,
            approval_id,
            await _json_body(request),
            tenant=caller.tenant,
            traceparent=request.headers.get("traceparent"),
        )
        return AcceptedReply(approval_id=approval_id, **accepted._asdict())

    return give_verdict


async def _json_body(request: Request) -> bytes:
    """The body. Raises Problem: 415 for what is said to be something else than JSON."""
    said = request.headers.get("content-type", JSON)
    if said.partition(";")[0].strip().lower() != JSON:
        raise HttpProblem(
            415,
            "unsupported-media-type",
            f"Send the body as JSON, with Content-Type: {JSON}.",
            headers={"Accept": JSON},
        )
    return await request.body()


def _told_where(response: Response, notifier_url: str | None, accepted: Accepted) -> str | None:
    """Where to look, also in the header."""
    where = _status_url(notifier_url, accepted)
    if where is not None:
        response.headers["location"] = where
    return where


def _status_url(notifier_url: str | None, accepted: Accepted) -> str | None:
    if notifier_url is None:
        return None
    case_id = quote(accepted.case_id, safe="")
    if case_id in (".", ".."):  # a client would take these for steps up the path
        case_id = case_id.replace(".", "%2E")
    return f"{notifier_url.rstrip('/')}/v1/cases/{case_id}"
