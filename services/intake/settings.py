"""The settings of intake, from the environment with the prefix MANDAAT_."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.chassis.process.settings import (
    FailpointSettings,
    HttpSettings,
    KafkaSettings,
    KeysSettings,
    LogSettings,
    RedisSettings,
)


class IntakeSettings(
    KafkaSettings, RedisSettings, HttpSettings, KeysSettings, LogSettings, FailpointSettings
):
    """The settings of intake."""

    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    notifier_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")] | None = Field(
        default=None,
        description="The address at which callers reach the notifier, for the status_url of a case.",
    )
