"""The HTTP route of the mandate page (docs/mandate.md)."""

from typing import Annotated, Final

from fastapi import Depends, FastAPI, Path, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from schemas.ids import NewId, id_in_path
from services.chassis.http.keys import Caller, Keys
from services.chassis.http.problems import HttpProblem
from services.rules.mandate.inquiry import MandateInquiry
from services.rules.mandate.view import MandateView

BEARER: Final = HTTPBearer(auto_error=False, description="A key of MANDAAT_KEYS_FILE; it implies the tenant.")


def add_routes(app: FastAPI, inquiry: MandateInquiry, keys: Keys) -> None:
    """Add the route to an application."""

    async def reader(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return keys.check(request.headers.get("authorization"), "read")

    @app.get(
        "/v1/agents/{agent_id:path}/mandate",
        response_model=None,
        responses={200: {"model": MandateView, "description": "In the order in which they are tried"}},
        summary="What an agent may decide now, and what is left of each budget",
    )
    async def mandate(
        agent_id: Annotated[str, Path(description="The id of the staff record, percent-encoded.")],
        request: Request,
        caller: Annotated[Caller, Depends(reader)],
        customer: Annotated[NewId | None, Query(description="The customer whose budgets are read.")] = None,
    ) -> Response:
        named = id_in_path(agent_id) or agent_id
        if caller.agents is not None and named not in caller.agents:
            raise HttpProblem(403, "other-agent", "This key may read only the mandates of its own agents.")
        body, language = await inquiry.mandate(
            caller.tenant, named, customer, request.headers.get("accept-language")
        )
        headers = {"Content-Language": language, "Vary": "Accept-Language, Authorization"}
        return Response(body, media_type="application/json", headers=headers)
