"""Settings that services share, each from the environment with the prefix MANDAAT_."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import Sizes
from services.chassis.process.errors import ConfigurationError

_BROKER: Final = re.compile(r"[^\s/:,@]+(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")
_REDIS: Final = re.compile(r"(rediss?|unix)://\S+")
_HTTP: Final = re.compile(r"https?://[^\s/]+(/\S*)?")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


def _brokers(text: str) -> str:
    if not all(_BROKER.fullmatch(one.strip()) for one in text.split(",")):
        raise ValueError("expected HOST:PORT, or several with commas: kafka-1:9092,kafka-2:9092")
    return text


def _redis_address(url: SecretStr) -> SecretStr:
    if not _REDIS.fullmatch(url.get_secret_value()):
        raise ValueError("expected an address such as redis://:password@127.0.0.1:6379/0 or rediss://...")
    return url


def _http_address(url: str) -> str:
    if not _HTTP.fullmatch(url):
        raise ValueError("expected an address such as https://mandaat.example.org")
    return url


def _level(level: str) -> str:
    if level.upper() not in _LEVELS:
        raise ValueError(f"expected {', '.join(_LEVELS[:-1])} or {_LEVELS[-1]}")
    return level


HttpAddress = Annotated[str, AfterValidator(_http_address)]
"""The address of a service over HTTP."""


class Settings(BaseSettings):
    """A group of settings. An empty one counts as not set.

    Raises ConfigurationError with one sentence for each setting that is missing or wrong. No sentence holds a
    value, because a value may be secret.
    """

    model_config = SettingsConfigDict(
        env_prefix="MANDAAT_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            raise ConfigurationError(
                "; ".join(map(self._sentence, found)) + "; see docs/settings.md"
            ) from None

    @classmethod
    def _sentence(cls, error: ErrorDetails) -> str:
        name = str(error["loc"][0])
        field, setting = cls.model_fields[name], f"{cls.model_config.get('env_prefix', '')}{name}".upper()
        if error["type"] == "missing":
            return f"{setting} is not set. {field.description}"
        context = error.get("ctx", {})
        if isinstance(context.get("error"), ValueError):
            return f"{setting}: {context['error']}"
        expected = "true or false" if error["type"] == "bool_parsing" else context.get("expected")
        return f"{setting} must be {_NUMBERS.get(field.annotation, expected)}{_range(field)}"


_NUMBERS: Final[dict[Any, str]] = {int: "a whole number", float: "a number"}


def _range(field: FieldInfo) -> str:
    """The limits of a number: ` from 1 to 1024`, ` above 0`."""
    limits: dict[str, float] = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("gt", "ge", "le")
        if hasattr(limit, name)
    }
    words = {"gt": " above", "ge": " from", "le": " to" if "ge" in limits else " and at most"}
    return "".join(f"{words[name]} {limit:g}" for name, limit in limits.items())


class KafkaSettings(Settings):
    """Where Kafka is."""

    kafka_bootstrap: Annotated[str, AfterValidator(_brokers)] = "127.0.0.1:9092"


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


class RedisSettings(Settings):
    """Where Redis is; the address may hold a password."""

    redis_url: Annotated[SecretStr, AfterValidator(_redis_address)] = SecretStr("redis://127.0.0.1:6379/0")


class HttpSettings(Settings):
    """Where the service listens: on the loopback, unless MANDAAT_HTTP_HOST names another address."""

    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080


class KeysSettings(Settings):
    """The file with the keys of callers (services.chassis.http.keys)."""

    keys_file: Path = Field(description="It names the file with the keys of callers")


class FailpointSettings(Settings):
    """Where a test makes the service fail (services.chassis.process.failpoints); never set otherwise."""

    failpoints: str | None = None


class LogSettings(Settings):
    """The lowest level that is logged."""

    log_level: Annotated[str, AfterValidator(_level)] = "INFO"
