"""Publish records of policies and staff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import track

from schemas.policy_record import PolicyRecord
from schemas.staff import StaffMember
from schemas.topics import POLICIES, POLICY_LIMIT_BYTES
from services.chassis.kafka.producer import Outgoing, Producer

_JSON: Final = (("content-type", b"application/json"),)

Rounds = Sequence[Sequence[Outgoing]]


def json_of(record: PolicyRecord | StaffMember) -> bytes:
    """The value of a record."""
    return record.model_dump_json(by_alias=True).encode()


def row(topic: str, key: str, record: PolicyRecord | StaffMember) -> Outgoing:
    """A record of a compacted topic."""
    return Outgoing(topic, key=key.encode(), value=json_of(record), headers=_JSON)


def activation(record: PolicyRecord) -> Rounds:
    """The records that make a policy the active one: first the version, so that it is kept."""
    keys = (f"{record.name}/{record.digest}", record.name)
    return [[row(POLICIES, key, record)] for key in keys]


async def send_rounds(bootstrap: str, rounds: Rounds, *, label: str = "") -> None:
    """Send round after round, each after the former is acknowledged; with a bar on a terminal."""
    producer = Producer(bootstrap, client_id="mandaat-publish", max_request_size=POLICY_LIMIT_BYTES)
    console = Console(stderr=True)
    quiet = not (label and console.is_terminal and len(rounds) > 1)
    try:
        for records in track(rounds, description=label, console=console, transient=True, disable=quiet):
            await producer.send_all(records)
    finally:
        await producer.stop()
