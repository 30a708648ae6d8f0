"""Intake as a process, with a real Kafka and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from deploy.local.stack import Stack
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.cli.kafka import read_to_the_end
from services.cli.kept_dead_letters import KeptDeadLetter, read_dead_letter
from tests.builders.bodies import as_bytes
from tests.builders.policies import a_mandate, a_policy, a_policy_record
from tests.builders.staff import a_member
from tests.publishing import Publisher
from tests.raw_records import Raw, produce_raw

MARK = "x-mark"
"""A header by which a test finds its records."""
BATCH = 1_000


@pytest.fixture
def intake(backing: Stack, tenant: str) -> Stack:
    """The stack with Kafka, Redis and intake, all running. The tenants of the tests have a policy."""
    backing.up(["kafka", "redis", "intake"])
    asyncio.run(_prepare(backing.bootstrap, tenant))
    return backing


async def _prepare(bootstrap: str, tenant: str) -> None:
    for one in (tenant, "acme"):
        await activate(bootstrap, one)
    async with Publisher(bootstrap) as publisher:
        await publisher.hire(a_member(agent_id="lead-01", tenant="acme", role="team_lead"))


async def activate(bootstrap: str, tenant: str) -> None:
    """Publish a policy of a tenant."""
    record = a_policy_record(a_policy(a_mandate(), policy=tenant))
    await produce_raw(bootstrap, "mandaat.policies", [Raw(as_bytes(record), tenant.encode())])


async def publish(bootstrap: str, records: Sequence[Raw]) -> None:
    """Append any records to one partition of mandaat.inbound, in order."""
    for start in range(0, len(records), BATCH):
        await produce_raw(bootstrap, "mandaat.inbound", records[start : start + BATCH])


async def records_of(bootstrap: str, topic: str, tenant: str) -> list[ConsumedRecord]:
    """The records of a topic with keys of the tenant."""
    prefix = f"{tenant}/".encode()
    return [
        record
        async for record in read_to_the_end(bootstrap, topic)
        if record.key is not None and record.key.startswith(prefix)
    ]


async def letters_of(bootstrap: str, mark: str) -> dict[str, KeptDeadLetter]:
    """The dead letters whose header MARK begins with `mark`, by the rest of the header."""
    found: dict[str, KeptDeadLetter] = {}
    async for record in read_to_the_end(bootstrap, "mandaat.dead-letters"):
        letter = read_dead_letter(record)
        marked = (dict(letter.headers).get(MARK) or b"").decode()
        if marked.startswith(f"{mark}/"):
            found[marked.removeprefix(f"{mark}/")] = letter
    return found
