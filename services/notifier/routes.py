"""The HTTP interface: where a case stands."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from schemas.approval import Approval, Closing
from schemas.case import Case, Customer, DecisionRequest, Origin
from schemas.cloud_event import Sequence
from schemas.decision import Decision, Reason
from schemas.ids import id_in_path, record_key
from schemas.moment import Moment
from schemas.notice import Notice
from schemas.request_status import Failure, RequestState, RequestStatus
from services.chassis.http.keys import Caller, Keys
from services.chassis.http.server import HttpProblem
from services.notifier.case_reader import CaseReader
from services.notifier.outbox.case_view import status_view, view_of

BEARER: Final = HTTPBearer(auto_error=False, description="A key of MANDAAT_KEYS_FILE; it implies the tenant.")


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
    request: DecisionRequest | None = Field(
        description="Null, like the other fields of the case, if it was withdrawn but never submitted."
    )
    opened_at: Moment | None
    channel: str | None
    customer: Customer | None
    agent_id: str | None
    category: str | None
    subject: str | None
    facts: dict[str, Any] | None = Field(description="The facts that came with this request.")
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

    case: Case | None = Field(description="Null if requests of it were withdrawn and none was submitted.")
    requests: list[RequestView]
    notices: list[NoticeView]


def add_routes(app: FastAPI, cases: CaseReader, keys: Keys) -> None:
    """Add the routes to the application. The one of a request comes first, since ids may hold slashes."""

    async def reader(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return keys.check(request.headers.get("authorization"), "read")

    @app.get(
        "/v1/cases/{case_id:path}/requests/{request_id:path}",
        response_model=None,
        summary="Where a request stands",
        responses={
            200: {"model": RequestStatus, "description": "The state of the request, and its decision"}
        },
    )
    async def read_request(
        case_id: Annotated[str, Path(description="The source's id of the case, percent-encoded.")],
        request_id: Annotated[str, Path(description="The source's id of the request, percent-encoded.")],
        request: Request,
        caller: Annotated[Caller, Depends(reader)],
    ) -> dict[str, Any]:
        case_id, request_of_case = named_in(request.scope)
        if request_of_case is None:
            return await found_case(case_id, caller)
        named, asked = id_in_path(case_id), id_in_path(request_of_case)
        found = None
        if named is not None and asked is not None:
            found = await cases.read(
                record_key(caller.tenant, named),
                lambda fields, failures: status_view(fields, named, asked, failures),
            )
        if found is None:
            raise HttpProblem(404, "unknown-request", "No request of your tenant has these ids.")
        return found

    @app.get(
        "/v1/cases/{case_id:path}",
        response_model=None,
        summary="Where a case stands",
        responses={200: {"model": CaseView, "description": "The case, its requests and its notices"}},
    )
    async def read_case(
        case_id: Annotated[str, Path(description="The source's id, percent-encoded.")],
        caller: Annotated[Caller, Depends(reader)],
    ) -> dict[str, Any]:
        return await found_case(case_id, caller)

    async def found_case(case_id: str, caller: Caller) -> dict[str, Any]:
        named = id_in_path(case_id)
        found = None if named is None else await cases.read(record_key(caller.tenant, named), view_of)
        if found is None:
            raise HttpProblem(404, "unknown-case", "No case of your tenant has this id.")
        return found


def named_in(scope: Mapping[str, Any]) -> tuple[str, str | None]:
    """The case and the request in a path. A slash that is written `%2F` belongs to an id."""
    path = scope["raw_path"].decode("ascii", "replace").removeprefix("/v1/cases/")
    case_id, slash, request_id = path.rpartition("/requests/")
    return (unquote(case_id), unquote(request_id)) if slash else (unquote(request_id), None)
