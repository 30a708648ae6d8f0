"""CloudEvents 1.0 in structured JSON: the envelope of every event."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field

from schemas.ids import EventId, Tenant
from schemas.model import Frozen, Line
from schemas.moment import Moment

CONTENT_TYPE = "application/cloudevents+json"
HEADERS = (("content-type", CONTENT_TYPE.encode()),)

Data = TypeVar("Data")


def _absent(value: Any) -> bool:
    return value is None


Sequence = Annotated[str, Field(pattern=r"^[0-9]{16}$")]
"""The order of the ledger; close to the microseconds since 1970 at which the event was settled."""


class CloudEvent(Frozen, Generic[Data]):
    """One event. `subject` is the case id; `tenant`, `sequence` and `cause` are extensions."""

    specversion: Literal["1.0"] = "1.0"
    id: EventId = Field(
        description="Identifies the event: two events with the same id are the same, byte for byte."
    )
    source: Annotated[Line, Field(min_length=1)] = Field(description="`/mandaat/rules`, ...")
    type: Annotated[Line, Field(min_length=1)]
    subject: Line | None = Field(default=None, exclude_if=_absent, description="The case id.")
    time: Moment = Field(description="The time at which it was accepted, decided or sent.")
    datacontenttype: Line | None = Field(default=None, exclude_if=_absent)
    tenant: Tenant | None = Field(default=None, exclude_if=_absent, description="The tenant of the case.")
    traceparent: Line | None = Field(default=None, exclude_if=_absent, description="W3C Trace Context.")
    sequence: Sequence | None = Field(
        default=None,
        exclude_if=_absent,
        description="The order of the ledger, in microseconds since 1970; events of one input share it.",
    )
    cause: EventId | None = Field(default=None, exclude_if=_absent, description="The id of the input.")
    data: Data

    def to_bytes(self) -> bytes:
        """The value of the record."""
        return self.__pydantic_serializer__.to_json(self)
