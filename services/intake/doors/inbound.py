"""The door mandaat.inbound: a batch of records is read, and accepted or kept as dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.errors import Unreadable
from schemas.ids import derived_id
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.dead_letters import about as about_record
from services.intake.accepting import INBOUND, Intake, unknown_tenant
from services.intake.events import Message, accepted_at
from services.intake.reading.inbound import read_inbound

ReadRecord = tuple[ConsumedRecord, Message]
UnreadableRecord = tuple[ConsumedRecord, Unreadable]


class DeadLetters(Protocol):
    """Keeps what cannot be read; returns when every dead letter is acknowledged. Raises TryAgain."""

    async def put_all(self, letters: Sequence[UnreadableRecord]) -> None:
        """One dead letter a record."""


async def accept_records(
    intake: Intake, dead_letters: DeadLetters, records: Sequence[ConsumedRecord]
) -> None:
    """Accept a batch: when this returns, each record is published or is a dead letter.

    Raises TryAgain; then the batch is delivered again, and its events get the same ids.
    """
    read, unreadable = _read(intake, records)
    strangers = {id(one) for one in await intake.of_unknown_tenants([message.content for _, message in read])}
    messages = [message for _, message in read if id(message.content) not in strangers]
    unreadable += [
        (record, unknown_tenant(message.content.tenant))
        for record, message in read
        if id(message.content) in strangers
    ]
    await intake.accept(messages, INBOUND)
    await dead_letters.put_all(unreadable)
    for record, flaw in unreadable:
        intake.refuse(INBOUND, flaw.reason, about_record(record))


def _read(
    intake: Intake, records: Sequence[ConsumedRecord]
) -> tuple[list[ReadRecord], list[UnreadableRecord]]:
    read: list[ReadRecord] = []
    unreadable: list[UnreadableRecord] = []
    for record in records:
        try:
            received = read_inbound(record.key, record.value, record.headers)
        except Unreadable as flaw:
            unreadable.append((record, flaw))
            continue
        event_id = derived_id(record.topic, record.partition, record.offset)
        time = accepted_at(record.timestamp, record.timestamp_type, intake.now())
        read.append((record, Message(received.data, event_id, time, time, received.traceparent)))
    return read, unreadable
