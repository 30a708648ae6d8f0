"""Every error over HTTP is a problem detail (RFC 9457), and says nothing of the inside."""

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
    """One thing that is wrong: in the body (`pointer`, RFC 6901) or in a `parameter`."""

    detail: str
    pointer: str
    parameter: str


class HttpProblem(HTTPException):
    """Raise it anywhere in a route: `HttpProblem(409, "conflict", "This request has other content")`.

    `slug` ends the type URI `urn:mandaat:problem:<slug>`; `title` is the same for all problems of a type and
    defaults to the slug in words; `detail` tells a person about this one.
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
        said: dict[str, object] = {
            "type": URN + self.slug,
            "title": self.title,
            "status": self.status_code,
            "detail": self.detail,
        }
        if self.errors:
            said["errors"] = self.errors
        return said | self.more

    def response(self) -> JSONResponse:
        """As it goes out."""
        return JSONResponse(
            self.body(), self.status_code, headers=dict(self.headers or {}), media_type=MEDIA_TYPE
        )


def of_unreadable(why: Unreadable) -> HttpProblem:
    """The same refusal over HTTP as a dead letter is over Kafka."""
    return HttpProblem(
        why.status,
        why.reason.replace("_", "-"),
        why.detail,
        errors=[_error_item(flaw) for flaw in why.flaws],
    )


def away(seconds: int = 2) -> HttpProblem:
    """The outside is away; the caller may try again, with the same ids."""
    return HttpProblem(
        503,
        "try-again",
        "This cannot be done right now. Nothing was lost; send the same again.",
        headers={"Retry-After": str(seconds)},
    )


def install(app: FastAPI) -> None:
    """Makes every error of an application a problem detail."""

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
        # Starlette raises it again after this answer, so the server logs it.
        return HttpProblem(500, "internal", "Something is wrong on our side. It was logged.").response()


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A problem (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": {
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
            }
        },
    }
}
"""For the OpenAPI document: every route may answer a problem."""


def _error_item(flaw: Flaw) -> ErrorItem:
    return {"detail": flaw.text, "pointer": flaw.pointer}


def _of_status(error: StarletteHTTPException) -> HttpProblem:
    phrase = HTTPStatus(error.status_code).phrase
    slug = phrase.lower().replace(" ", "-").replace("'", "")
    texts = {
        404: "There is nothing at this address. /openapi.json lists what there is.",
        405: "This address does not take this method; the header Allow says which it takes.",
    }
    return HttpProblem(error.status_code, slug, texts.get(error.status_code, phrase), headers=error.headers)


def _of_validation(error: RequestValidationError) -> HttpProblem:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return HttpProblem(400, "not-json", "The body is not JSON.")
    return HttpProblem(
        422, "invalid", "The request does not hold what it should.", errors=[_located(item) for item in found]
    )


def _located(item: Mapping[str, Any]) -> ErrorItem:
    where, *path = item["loc"]
    if where == "body":
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
        return {"detail": item["msg"], "pointer": "".join("/" + step for step in steps)}
    return {"detail": item["msg"], "parameter": ".".join(map(str, path))}
