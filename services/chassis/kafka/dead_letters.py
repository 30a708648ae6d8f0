"""Dead letters: records that cannot be handled, kept whole for operators (docs/running.md, Dead letters)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.errors import Unreadable
from schemas.ids import split_record_key
from schemas.topics import DEAD_LETTER_LIMIT_BYTES, DEAD_LETTERS
from services.chassis.kafka.producer import Outgoing, Producer
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics

DETAIL_LIMIT_BYTES = 2_000
SIZE_LIMIT_BYTES = DEAD_LETTER_LIMIT_BYTES - 4_096
"""The most that key, value and headers may take together. Only a compressed record can be larger."""
PREFIX = "mandaat-"


class ConsumedRecord(Protocol):
    """A record as a consumer gets it: aiokafka's ConsumerRecord, which has no types that mypy can see."""

    @property
    def topic(self) -> str:
        """The topic that it was read from."""

    @property
    def partition(self) -> int:
        """The partition that it was read from."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""

    @property
    def timestamp_type(self) -> int:
        """0 if its producer set the timestamp, 1 if the broker did when it appended the record."""

    @property
    def key(self) -> bytes | None:
        """Its key, or None if it has none."""

    @property
    def value(self) -> bytes | None:
        """Its value, or None if that is null."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Its headers, in order. A name may come twice."""


class DeadLetters:
    """Writes dead letters, and waits for their acknowledgement."""

    def __init__(
        self, producer: Producer, service: str, metrics: Metrics | None = None, topic: str = DEAD_LETTERS
    ) -> None:
        self._producer = producer
        self._service = service
        self._metrics = metrics
        self._topic = topic

    async def put_all(self, letters: Sequence[tuple[ConsumedRecord, Unreadable]]) -> None:
        """Writes a dead letter for each record, and returns when all are acknowledged. Raises TryAgain."""
        if not letters:
            return
        await self._producer.send_all([self._letter(record, why) for record, why in letters])
        for record, why in letters:
            log.warning(
                "dead_letter",
                reason=why.reason,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                **about(record),
            )
            if self._metrics is not None:
                self._metrics.dead_letters.labels(why.reason).inc()

    def _letter(self, record: ConsumedRecord, why: Unreadable) -> Outgoing:
        origin = (
            ("reason", why.reason),
            ("detail", why.detail),
            ("service", self._service),
            ("topic", record.topic),
            ("partition", str(record.partition)),
            ("offset", str(record.offset)),
        )
        ours = [(PREFIX + name, _cut(text)) for name, text in origin]
        theirs = [(_text_name(name), value) for name, value in record.headers]
        return _fitting(Outgoing(self._topic, None, record.key, record.value, [*theirs, *ours]), len(ours))


def about(record: ConsumedRecord) -> dict[str, str]:
    """Tenant and case of a record for the log, if its key is well formed."""
    named = split_record_key(record.key)
    return {"tenant": named[0], "case_id": named[1]} if named is not None else {}


def _fitting(letter: Outgoing, ours: int) -> Outgoing:
    """The letter, cut to the limit: the broker would refuse a larger one, again and again."""
    excess = _size(letter) - SIZE_LIMIT_BYTES
    if excess <= 0:
        return letter
    whole = len(letter.value or b"")
    cut = (PREFIX + "cut-from-bytes", str(whole).encode())
    if whole > excess:
        kept = (letter.value or b"")[: whole - excess]
        return letter._replace(value=kept, headers=[*letter.headers, cut])
    return letter._replace(key=None, value=None, headers=[*letter.headers[-ours:], cut])


def _size(letter: Outgoing) -> int:
    pairs = [(len(name.encode()), len(value or b"")) for name, value in letter.headers]
    return len(letter.key or b"") + len(letter.value or b"") + sum(map(sum, pairs)) + 16 * len(pairs)


def _text_name(name: str) -> str:
    """A header name with bytes that are not UTF-8 (surrogates, see header_names) as `\\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _cut(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:DETAIL_LIMIT_BYTES].decode("utf-8", "ignore").encode()
