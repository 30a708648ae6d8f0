"""The HTTP interface: where a case stands."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Header, Path
from pydantic import BaseModel

from schemas.approval import Approval
from schemas.case import Case, DecisionRequest
from schemas.decision import Decision
from schemas.ids import id_in_path, record_key
from schemas.notice import Notice
from services.chassis.http.keys import Keys
from services.chassis.http.server import HttpProblem
from services.notifier.outbox.case_view import view_of
from services.notifier.outbox.store import OutboxStore


class RequestView(BaseModel):
    """One request of a case, the decisions on it, and its approval if it has one."""

    request_id: str
    request: DecisionRequest
    decisions: list[Decision]
    approval: Approval | None


class NoticeView(Notice):
    """How one notice ended."""

    outcome: str
    time: str


class CaseView(BaseModel):
    """Where a case stands."""

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
