"""Errors over HTTP: problem details (RFC 9457), without anything internal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypedDict

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from schemas.errors import Flaw, Unreadable
from services.chassis.process.errors import TryAgain

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:mandaat:problem:"


class ErrorItem(TypedDict, total=False):
    """One mistake: in the body (`pointer`, RFC 6901) or in a `parameter`."""

    detail: str
    pointer: str
    parameter: str


class HttpProblem(HTTPException):
    """To raise in a route, as in `HttpProblem(409, "conflict", "This request has other content")`.

    `slug` is the end of the type URI `urn:mandaat:problem:<slug>`. `title` is the same for all problems of a
    type; by default it is the slug in words. `detail` explains this one problem to a person.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        title: str | None = None,
        errors: Sequence[ErrorItem] = (),
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.slug = slug
        self.title = title or slug.replace("-", " ").capitalize()
        self.errors = list(errors)
        self.more = more

    def body(self) -> dict[str, object]:
        """The members of the problem detail."""
        members: dict[str, object] = {
            "type": URN + self.slug,
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
        }
        if self.errors:
            members["errors"] = self.errors
        return members | self.more

    def response(self) -> JSONResponse:
        """The response to send."""
        return JSONResponse(
            self.body(), self.status_code, headers=dict(self.headers or {}), media_type=MEDIA_TYPE
        )


def of_unreadable(why: Unreadable) -> HttpProblem:
    """The problem for input that would be a dead letter over Kafka."""
    return HttpProblem(
        why.status,
        why.reason.replace("_", "-"),
        why.detail,
        errors=[_error_item(flaw) for flaw in why.flaws],
    )


def away(seconds: int = 2) -> HttpProblem:
    """Another system is away; the caller may repeat the request with the same ids."""
    return HttpProblem(
        503,
        "try-again",
        "This is not possible right now. Send the same request again; it is handled once.",
        headers={"Retry-After": str(seconds)},
    )


def install(app: FastAPI) -> None:
    """Turns every error of an application into a problem detail."""

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return (error if isinstance(error, HttpProblem) else _of_status(error)).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _of_validation(error).response()

    @app.exception_handler(Unreadable)
    async def unreadable(_: Request, error: Unreadable) -> JSONResponse:
        return of_unreadable(error).response()

    @app.exception_handler(TryAgain)
    async def try_again(_: Request, __: TryAgain) -> JSONResponse:
        return away().response()

    @app.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> JSONResponse:
        # Starlette raises it again after this response, so the server logs it.
        return HttpProblem(500, "internal", "An internal error. It was logged.").response()


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {"default": {"description": "A problem (RFC 9457)"}}
"""For the OpenAPI document: every route may respond with a problem."""

_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "A problem detail (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "parameter": {"type": "string"},
                },
            },
        },
    },
}


def describe(app: FastAPI) -> None:
    """Give every error response in the OpenAPI document the one schema `Problem`."""
    found = app.openapi

    def document() -> dict[str, Any]:
        described = found()
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _SCHEMA
        for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which is never sent
            schemas.pop(name, None)
        for path in described["paths"].values():
            for operation in path.values():
                _describe_errors(operation["responses"])
        return described

    app.openapi = document  # type: ignore[method-assign] # the way FastAPI names for extending the document


def _describe_errors(responses: dict[str, dict[str, Any]]) -> None:
    for code, response in responses.items():
        if code == "default" or code.startswith(("4", "5")):
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _error_item(flaw: Flaw) -> ErrorItem:
    return {"detail": flaw.text, "pointer": flaw.pointer}


def _of_status(error: StarletteHTTPException) -> HttpProblem:
    phrase = HTTPStatus(error.status_code).phrase
    slug = phrase.lower().replace(" ", "-").replace("'", "")
    texts = {
        404: "There is nothing at this address; /openapi.json lists all addresses.",
        405: "This address does not accept this method; the header Allow lists the methods that it accepts.",
    }
    return HttpProblem(error.status_code, slug, texts.get(error.status_code, phrase), headers=error.headers)


def _of_validation(error: RequestValidationError) -> HttpProblem:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return HttpProblem(400, "not-json", "The body is not JSON.")
    return HttpProblem(422, "invalid", "The request is not valid.", errors=[_located(item) for item in found])


def _located(item: Mapping[str, Any]) -> ErrorItem:
    where, *path = item["loc"]
    if where == "body":
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return {"detail": item["msg"], "pointer": "".join("/" + step for step in steps)}
    return {"detail": item["msg"], "parameter": ".".join(map(str, path))}
