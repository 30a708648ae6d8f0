"""The result of a notice (docs/notices.md, Who is told)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.ids import CaseId, EventId, PlainId
from schemas.model import Frozen

Audience = Literal["customer", "agent", "approver", "giver", "lead", "webhook"]
ChannelName = Literal["mail", "webhook"]
"""The channels. Each is a folder of services/notifier/channels."""


class Notice(Frozen):
    """The data of `mandaat.notice.delivered.v1` and `.failed.v1`: a message to one person on one channel."""

    notice_id: EventId = Field(
        description="The id, made from event, person and channel. A repeated notice has the same id."
    )
    case_id: CaseId
    about: EventId = Field(description="The id of the event that the notice is about.")
    about_type: str = Field(description="The type of that event.")
    audience: Audience = Field(description="The role of the recipient in the case.")
    person: PlainId | None = Field(description="The id of the customer or agent; null for the webhook.")
    channel: ChannelName
    language: Literal["nl", "en"] | None = Field(default=None, description="The language of the notice.")
    message_id: str = Field(description="The Message-ID of the mail, or the webhook-id.")
    attempts: int = Field(description="The number of attempts to send it.")
    reason: str | None = Field(default=None, description="The reason why it failed.")
