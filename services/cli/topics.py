"""`mandaat topics`: create or check all topics with their settings."""

from __future__ import annotations

import typer
from aiokafka.errors import KafkaConnectionError, KafkaError

from deploy.local.topics import TopicOutcome, ensure_topics
from schemas.topics import Sizes
from services.cli.addresses import kafka_settings
from services.cli.exit_codes import WRONG
from services.cli.kafka import Away, Bootstrap, run


def topics(kafka: Bootstrap = None) -> None:
    """Create the missing topics and check all. Exit code 1 if a setting differs; each is reported.

    MANDAAT_PARTITIONS, MANDAAT_REPLICATION and MANDAAT_FENCE_SECONDS set the number of partitions and
    replicas, and T. The local stack has its own.
    """
    settings = kafka_settings(kafka)
    try:
        outcome = run(_ensure(settings.kafka_bootstrap, settings.sizes))
    except KafkaError as problem:
        typer.echo(f"Kafka refuses: {problem}", err=True)
        raise typer.Exit(WRONG) from problem
    for name in outcome.checked:
        typer.echo(f"{name}: {'created' if name in outcome.created else 'is there'}")
    for difference in outcome.differences:
        typer.echo(difference, err=True)
    if outcome.differences:
        raise typer.Exit(WRONG)


async def _ensure(bootstrap: str, sizes: Sizes) -> TopicOutcome:
    try:
        return await ensure_topics(bootstrap, sizes)
    except KafkaConnectionError as problem:
        raise Away(f"no connection to kafka at {bootstrap}") from problem
