"""The type of a moment: RFC 3339 text in JSON, an aware datetime in Python."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
TOO_LATE: Final = datetime(9998, 1, 1, tzinfo=UTC)


def utc_text(at: datetime) -> str:
    """A time as every model writes it in UTC: RFC 3339, ending in `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _schema(_source: type[Any], _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    text = core_schema.custom_error_schema(
        core_schema.str_schema(strict=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:"),
        custom_error_type="moment",
        custom_error_message="must be a time in quotes (RFC 3339), such as 2026-03-02T08:00:00Z",
    )
    lax, strict = (
        core_schema.datetime_schema(strict=strict, tz_constraint="aware", ge=EARLIEST, lt=TOO_LATE)
        for strict in (False, True)
    )
    return core_schema.json_or_python_schema(
        json_schema=core_schema.chain_schema([text, lax]), python_schema=strict
    )


Moment = Annotated[
    datetime, GetPydanticSchema(_schema), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time from 1970 up to 9998. Numbers are not accepted as times.

With these bounds, the time and the day one year later, when a yearly budget renews, are valid in every time
zone. Without them, `0001-01-01T00:00:00+14:00` would be accepted, and cause an OverflowError in another zone.
"""
