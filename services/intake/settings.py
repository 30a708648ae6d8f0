"""The settings of intake, from the environment with the prefix MANDAAT_."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.chassis.process.settings import (
    FailpointSettings,
    HttpAddress,
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
    notifier_url: HttpAddress | None = Field(
        default=None,
        description="The address at which callers reach the notifier, for the status_url of a case.",
    )
    wait_seconds_max: Annotated[float, Field(ge=0, le=60)] = Field(
        default=10.0,
        description="The longest wait of a call for its decision (`Prefer: wait`). A longer one is cut.",
    )
    waiters_max: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=500,
        description="The most calls that wait for a decision at once. Further calls get a 202 at once.",
    )
