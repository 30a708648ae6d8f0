"""Structured logs: one JSON object a line on stdout, with case and request ids, without personal data.

`log.info("decided", case_id=..., request_id=..., outcome="approved")`. Values are scalars; keys that could
carry what people wrote or who they are are left out by name, and so are the texts of exceptions that may
quote input. Local variables are never rendered.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from json import JSONEncoder
from types import TracebackType
from typing import Any, Final, NamedTuple

import structlog

LEFT_OUT: Final = "(left out)"
PRIVATE_KEYS: Final = frozenset(
    (
        *("name", "email", "phone", "address", "customer", "facts", "claims", "subject", "text", "detail"),
        *("body", "value", "key", "headers", "payload", "data", "url"),
        *("password", "secret", "token", "authorization", "api_key"),
    )
)
"""Never logged, whatever their value."""
TEXT_LIMIT: Final = 300
QUOTE_NOTHING: Final = ("aiokafka.", "redis.", "services.chassis.process.errors", "kafka.")
"""Errors from these modules speak of addresses, topics and commands, so their text may be logged."""

log: Final = structlog.stdlib.get_logger("mandaat")
_encode: Final = JSONEncoder(ensure_ascii=False).encode


def log_each(event: str, rows: Iterable[Mapping[str, str]]) -> None:
    """One line at INFO for each row, as `log.info(event, **row)` writes it, all written at once.

    For what happens thousands of times a second: a line takes some 2 us instead of 30. Rows hold ids, which
    are written as they are; a key that is private is a bug here.
    """
    logger = logging.getLogger("mandaat")
    if not logger.isEnabledFor(logging.INFO):
        return
    rows = list(rows)
    if rows:
        if PRIVATE_KEYS & rows[0].keys():
            raise ValueError(f"{event} would write what is private")
        logger.info("%d times %s", len(rows), event, extra={"lines": Lines(event, rows)})


class Lines(NamedTuple):
    """Rows of one event that become a line each."""

    event: str
    rows: list[Mapping[str, str]]


class LinesFormatter(structlog.stdlib.ProcessorFormatter):
    """Writes what `log_each` says by itself, all else as structlog does."""

    def __init__(self, service: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record: one line, or those of `log_each`."""
        lines: Lines | None = getattr(record, "lines", None)
        if lines is None:
            return super().format(record)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        common = {"event": lines.event, "level": "info", "timestamp": moment, "service": self._service}
        end = ", " + _encode(common)[1:]
        return "\n".join([_encode(row)[:-1] + end for row in lines.rows])


def configure(service: str, level: str = "INFO") -> None:
    """Sends our logs and those of the libraries to stdout as JSON lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
        _keep_private,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        LinesFormatter(
            service,
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _name_service(service),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    handler.addFilter(Damper())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These write keys and values of records at DEBUG, addresses of requests at INFO.
    for library in ("aiokafka", "faststream", "httpx", "httpcore", "aiosmtplib", "asyncio", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)


class Damper(logging.Filter):
    """Lets a library say the same thing `burst` times in `seconds`: aiokafka repeats itself ten times a
    second for as long as the broker is away."""

    def __init__(self, burst: int = 3, seconds: float = 10.0) -> None:
        super().__init__()
        self._burst, self._seconds = burst, seconds
        self._seen: dict[tuple[str, int, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if record.name.startswith("mandaat"):
            return True
        place = (record.name, record.lineno, record.levelno)
        now = time.monotonic()
        since, times = self._seen.get(place, (now, 0))
        if now - since > self._seconds:
            since, times = now, 0
        self._seen[place] = (since, times + 1)
        return times < self._burst


def _name_service(service: str) -> structlog.typing.Processor:
    def name(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    return name


def _keep_private(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    for key, value in event.items():
        if key.startswith("_") or key in ("event", "exception"):
            continue
        if key in PRIVATE_KEYS:
            event[key] = LEFT_OUT
        else:
            event[key] = _plain(value)
    return event


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value[:TEXT_LIMIT]
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in list(value)[:50]]
        case _:
            return f"<{type(value).__name__}>"


def _describe_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    given = event.pop("exc_info", None)
    if not given:
        return event
    error = given if isinstance(given, BaseException) else sys.exc_info()[1]
    if isinstance(given, tuple):
        error = given[1]
    if error is not None:
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> list[str]:
    """The chain of an error, its newest first: type, text where it quotes no input, and where it arose."""
    lines: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}{_text_of(link)}")
        lines.extend(_frames(link.__traceback__))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return lines


def _text_of(error: BaseException) -> str:
    safe = type(error).__module__.startswith(QUOTE_NOTHING) or isinstance(error, OSError | TimeoutError)
    return f": {str(error)[:TEXT_LIMIT]}" if safe and str(error) else ""


def _frames(where: TracebackType | None) -> list[str]:
    return [
        f"  {frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(where, limit=-20)
    ]
