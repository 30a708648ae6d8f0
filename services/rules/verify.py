"""`python -m services.rules.verify`, which `mandaat ledger verify` runs: compare the ledger with the journal.

Settings come from the environment. Standard output has JSON Lines: the progress, such as
`{"records": 500, "of": 2000}` and `{"keys": 500}`, then one line with the result. The exit code is 0 if both
are equal, 1 if they differ, and 2 if they could not be compared.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any, Final

import structlog

from services.chassis.kafka.producer import Producer
from services.chassis.process.errors import ConfigurationError, TryAgain
from services.chassis.process.settings import KafkaSettings, RedisSettings
from services.chassis.redis import connect
from services.rules.journal.journal import FollowedJournal
from services.rules.ledger.verify import VerificationReport, verify
from services.rules.worker.effects import effects_of

EQUAL: Final = 0
DIFFERENT: Final = 1
NOT_COMPARED: Final = 2
REDIS_SECONDS: Final = 30.0
"""Longer than a worker's: a slow answer does no harm here."""


async def compared(kafka_bootstrap: str, redis_url: str) -> VerificationReport:
    """Compare the ledger there with the journal there. Raises TryAgain."""
    producer = Producer(kafka_bootstrap, client_id="mandaat-verify")  # writes nothing
    journal = FollowedJournal(kafka_bootstrap, producer)
    redis = connect(redis_url, REDIS_SECONDS)
    try:
        return await verify(redis=redis, journal=journal, effects_of=effects_of, progress=_show_progress)
    finally:
        await journal.stop()
        await redis.aclose()
        await producer.stop()


def result_line(report: VerificationReport) -> dict[str, Any]:
    """The last line of the output."""
    return {
        "equal": not report.differences,
        "records": report.records,
        "compared": dict(report.compared),
        "differences": report.differences,
        "examples": [one._asdict() for one in report.examples],
    }


def _show_progress(what: str, done: int, total: int | None) -> None:
    _print_line({what: done} if total is None else {what: done, "of": total})


def _print_line(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Compare; answers the exit code."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        kafka, redis = KafkaSettings(), RedisSettings()
        report = asyncio.run(compared(kafka.kafka_bootstrap, redis.redis_url.get_secret_value()))
    except (TryAgain, ConfigurationError) as problem:
        _print_line({"problem": str(problem)})
        return NOT_COMPARED
    _print_line(result_line(report))
    return DIFFERENT if report.differences else EQUAL


if __name__ == "__main__":
    sys.exit(main())
