"""The envelope of every event: CloudEvents 1.0 in structured JSON."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from schemas.ids import EventId, Tenant
from schemas.model import Frozen, Line, is_absent
from schemas.moment import Moment

CONTENT_TYPE = "application/cloudevents+json"
HEADERS = (("content-type", CONTENT_TYPE.encode()),)

Data = TypeVar("Data")


Sequence = Annotated[str, Field(pattern=r"^[0-9]{16}$")]
"""The ledger's sequence, in 16 digits. It is close to the time of settling in microseconds since 1970."""


class CloudEvent(Frozen, Generic[Data]):
    """One event. `subject` is the case id; `tenant`, `sequence` and `cause` are extensions."""

    specversion: Literal["1.0"] = "1.0"
    id: EventId = Field(
        description="The id of the event. Two events with the same id are equal, byte for byte."
    )
    source: Annotated[Line, Field(min_length=1)] = Field(description="The sender, such as `/mandaat/rules`.")
    type: Annotated[Line, Field(min_length=1)]
    subject: Line | None = Field(default=None, exclude_if=is_absent, description="The case id.")
    time: Moment = Field(
        description="The time at which the input was accepted or decided, or the notice sent."
    )
    datacontenttype: Line | None = Field(default=None, exclude_if=is_absent)
    tenant: Tenant | None = Field(default=None, exclude_if=is_absent, description="The tenant of the case.")
    traceparent: Line | None = Field(default=None, exclude_if=is_absent, description="W3C Trace Context.")
    sequence: Sequence | None = Field(
        default=None,
        exclude_if=is_absent,
        description="The ledger's number of the input, about microseconds since 1970. It orders decisions;"
        " events of one input share it.",
    )
    cause: EventId | None = Field(
        default=None, exclude_if=is_absent, description="The id of the event that caused this one."
    )
    data: Data

    def to_bytes(self) -> bytes:
        """The value of the record."""
        return self.__pydantic_serializer__.to_json(self)
