"""The bodies in /openapi.json. Routes read bytes, so FastAPI does not know the models of their bodies."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REF: Final = "#/components/schemas/{model}"


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is this model."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe_bodies(app: FastAPI, *models: type[BaseModel]) -> None:
    """Add the schemas of these models to the document, beside those that FastAPI finds."""
    found = app.openapi
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF)

    def document() -> dict[str, Any]:
        described = found()
        described.setdefault("components", {}).setdefault("schemas", {}).update(schemas.get("$defs", {}))
        return described

    app.openapi = document  # type: ignore[method-assign] # the way FastAPI names for extending the document
