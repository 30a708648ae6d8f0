"""The settings of the notifier, from the environment with the prefix MANDAAT_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from services.chassis.process.settings import (
    FailpointSettings,
    HttpSettings,
    KafkaSettings,
    KeysSettings,
    LogSettings,
    RedisSettings,
)
from services.notifier.channels.mail.address import named_address
from services.notifier.channels.mail.sender import Sender


class NotifierSettings(
    KafkaSettings, RedisSettings, HttpSettings, KeysSettings, LogSettings, FailpointSettings
):
    """The settings of the notifier."""

    http_port: Annotated[int, Field(ge=0, le=65535)] = 8082
    smtp_host: str = "127.0.0.1"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool | None = Field(
        default=None, description="true: required; false: never used; unset: used when the server offers it."
    )
    smtp_connections: Annotated[int, Field(ge=1, le=100)] = 8
    mail_from: str = Field(description="It is the sender of our mail: Mandaat <no-reply@example.org>")
    mail_reply_to: str | None = Field(default=None, description="The address for answers to our mail.")
    senders_file: Path | None = Field(
        default=None, description='JSON Lines of {"tenant", "from", "name", "logo"}; unset: one for all.'
    )
    webhooks_file: Path | None = Field(
        default=None, description='JSON Lines of {"tenant", "url", "secret"}; unset: no webhooks.'
    )
    webhook_connections: Annotated[int, Field(ge=1, le=200)] = 16
    language: Literal["nl", "en"] = Field(
        default="nl", description="The language of a reader whose language is not known."
    )
    give_up_hours: Annotated[float, Field(gt=0, le=72)] = Field(
        default=6.0, description="Hours after its event that a failing notice is tried again."
    )
    case_file_days: Annotated[int, Field(ge=8, le=3650)] = Field(
        default=30, description="Days that a case file is kept after the last event of its case."
    )

    @field_validator("mail_from", "mail_reply_to")
    @classmethod
    def _an_address(cls, text: str | None) -> str | None:
        if text is not None:
            named_address(text)
        return text

    @property
    def sender(self) -> Sender:
        """The sender of our mail."""
        name, address = named_address(self.mail_from)
        reply_to = named_address(self.mail_reply_to).address if self.mail_reply_to is not None else None
        return Sender(name, address, reply_to)
