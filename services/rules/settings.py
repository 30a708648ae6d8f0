"""The settings of rules, each from the environment with the prefix MANDAAT_ (docs/settings.md)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.chassis.process.settings import (
    FailpointSettings,
    HttpSettings,
    KeysSettings,
    LogSettings,
    RedisSettings,
    TopicSettings,
)


class RulesSettings(TopicSettings, RedisSettings, HttpSettings, KeysSettings, LogSettings, FailpointSettings):
    """Addresses, and the limits of the worker."""

    http_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    batch_records: Annotated[int, Field(ge=1, le=5000)] = 1000
    """The most records of one poll; a round takes 500 at most."""
    redis_seconds: Annotated[float, Field(gt=0)] = 2.0
    """A call that the ledger has not answered within this time has failed."""
