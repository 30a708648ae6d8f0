"""Messages that intake has read."""

from __future__ import annotations

from schemas.case import Case
from services.intake.reading.inbound import InboundMessage


def case_of(received: InboundMessage) -> Case:
    """The case in a message that was read."""
    assert isinstance(received.data, Case)
    return received.data
