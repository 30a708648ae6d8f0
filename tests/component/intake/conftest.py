"""Intake with doubles of Kafka and Redis."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.chassis.http.keys import Keys, digest_of
from services.chassis.http.server import Health, create_app
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.process.metrics import Metrics
from services.intake.accepting import Intake
from services.intake.answering.waiters import Waiters
from services.intake.doors.inbound import accept_records
from services.intake.doors.routes import DOORS, add_all_routes
from services.intake.metrics import IntakeMetrics
from tests.doubles.intake import FakeDeadLetters, FakeDirectory, FakeKnownRequests, FakePublisher

KEYS: dict[str, dict[str, Any]] = {
    "key-acme": {"tenant": "acme", "scopes": ["submit", "reply", "read"]},
    "key-backfill": {"tenant": "acme", "scopes": ["submit", "backfill"]},
    "key-reader": {"tenant": "acme", "scopes": ["read"]},
    "key-globex": {"tenant": "globex", "scopes": ["submit", "reply"]},
    "key-bot": {"tenant": "acme", "scopes": ["submit", "reply"], "agents": ["bot-01", "bot-02"]},
    "key-claims": {"tenant": "acme", "scopes": ["submit"], "facts": False},
    "key-strict": {"tenant": "acme", "scopes": ["submit", "reply"], "strict": True},
    "key-expired": {"tenant": "acme", "scopes": ["submit", "reply"], "expires": "2020-01-01"},
}


@dataclass
class World:
    """Intake and its doubles."""

    publisher: FakePublisher = field(default_factory=FakePublisher)
    known: FakeKnownRequests = field(default_factory=FakeKnownRequests)
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    dead_letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        intake_metrics = IntakeMetrics(self.metrics, [door.name for door in DOORS])
        self.waiters = Waiters(100, 10.0, intake_metrics)
        self.intake = Intake(self.publisher, self.known, intake_metrics, self.directory)

    async def accept_records(self, batch: Sequence[ConsumedRecord]) -> None:
        """Handle a batch of mandaat.inbound."""
        await accept_records(self.intake, self.dead_letters, batch)

    def value(self, metric: str, **labels: str) -> float:
        """The current value of a metric."""
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    path = tmp_path / "keys.jsonl"
    path.write_text(
        "".join(json.dumps({"sha256": digest_of(key), **limits}) + "\n" for key, limits in KEYS.items())
    )
    path.chmod(0o600)
    return Keys.load(path)


@pytest.fixture
def app(world: World, keys: Keys) -> FastAPI:
    made = create_app("Mandaat intake", health=Health(), metrics=world.metrics)
    add_all_routes(made, world.intake, keys, "http://notifier.example/", world.waiters)
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://intake",
        headers={"Authorization": "Bearer key-acme"},
    ) as opened:
        yield opened
