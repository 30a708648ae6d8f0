"""Settings that services share, each from the environment with the prefix MANDAAT_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import Sizes

FROM_ENVIRONMENT = SettingsConfigDict(env_prefix="MANDAAT_", frozen=True, extra="ignore")


class KafkaSettings(BaseSettings):
    """Where Kafka is."""

    model_config = FROM_ENVIRONMENT
    kafka_bootstrap: str = "127.0.0.1:9092"


class TopicSettings(KafkaSettings):
    """Where Kafka is, and how the topics are set (docs/ledger.md, Topics)."""

    partitions: Annotated[int, Field(ge=1, le=1024)] = 12
    replication: Annotated[int, Field(ge=1, le=9)] = 3
    fence_seconds: Annotated[float, Field(gt=0)] = 5.0
    clock_seconds: Annotated[float, Field(gt=0)] = 1.0

    @property
    def sizes(self) -> Sizes:
        """The same as values of the topics."""
        return Sizes(
            partitions=self.partitions,
            replication=self.replication,
            fence_ms=round(self.fence_seconds * 1000),
            clock_ms=round(self.clock_seconds * 1000),
        )


class RedisSettings(BaseSettings):
    """Where Redis is; the address may hold a password."""

    model_config = FROM_ENVIRONMENT
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")


class HttpSettings(BaseSettings):
    """Where the service listens: on the loopback, unless MANDAAT_HTTP_HOST names another address."""

    model_config = FROM_ENVIRONMENT
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080


class KeysSettings(BaseSettings):
    """The file with the keys of callers (services.chassis.http.keys)."""

    model_config = FROM_ENVIRONMENT
    keys_file: Path


class FailpointSettings(BaseSettings):
    """Where a test makes the service fail (services.chassis.process.failpoints); never set otherwise."""

    model_config = FROM_ENVIRONMENT
    failpoints: str | None = None


class LogSettings(BaseSettings):
    """The lowest level that is logged."""

    model_config = FROM_ENVIRONMENT
    log_level: Annotated[str, Field(pattern="^(?i:debug|info|warning|error)$")] = "INFO"
