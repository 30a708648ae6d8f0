"""`mandaat topics`: creates or checks all topics with their settings."""

from __future__ import annotations

import asyncio

import typer
from aiokafka.errors import KafkaError

from deploy.local.topics import ensure_topics
from services.cli.where import kafka_settings

WRONG = 1


def topics() -> None:
    """Create the topics that are missing and check all; exit 1 naming each setting that differs."""
    settings = kafka_settings()
    try:
        outcome = asyncio.run(ensure_topics(settings.kafka_bootstrap, settings.sizes))
    except KafkaError as problem:
        typer.echo(f"Kafka at {settings.kafka_bootstrap}: {problem}", err=True)
        raise typer.Exit(WRONG) from problem
    for name in outcome.checked:
        typer.echo(f"{name}: {'created' if name in outcome.created else 'is there'}")
    for difference in outcome.differences:
        typer.echo(difference, err=True)
    if outcome.differences:
        raise typer.Exit(WRONG)
