"""A compacted topic in memory: the newest value of every key, kept up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

from aiokafka import TopicPartition

from schemas.errors import Unreadable
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.reader import Reader
from services.chassis.process.back_off import BackOff, repeat_until_done
from services.chassis.process.errors import TryAgain
from services.chassis.process.log import log
from services.chassis.process.metrics import Metrics
from services.chassis.process.threads import in_thread

V = TypeVar("V")

BACK_OFF: Final = BackOff(first=0.2)
QUIET_SECONDS: Final = 10.0
"""Opening a topic always takes a moment. Waiting longer than this is logged as a warning."""


class Table(Generic[V]):
    """Reads a topic from its beginning and follows it, without a group: every process has all rows.

    `parse(key, value)` returns the row of a record. When it raises Unreadable, the record is skipped: it is
    logged and counted, and the key keeps the row that it had. A null value removes the row. Records with a
    key that is not UTF-8 are skipped too.
    `on_change(key, old, new)` is called after each change; None means that there is no row.

    `parse_in_thread`: for rows that take long to parse. The event loop goes on meanwhile; rows still come in
    the order of the topic.
    """

    def __init__(
        self,
        topic: str,
        *,
        bootstrap: str,
        client_id: str,
        metrics: Metrics,
        parse: Callable[[str, bytes], V],
        on_bug: Callable[[BaseException], None],
        on_change: Callable[[str, V | None, V | None], None] | None = None,
        parse_in_thread: bool = False,
    ) -> None:
        self._topic = topic
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._metrics = metrics
        self._parse = parse
        self._on_bug = on_bug
        self._on_change = on_change
        self._parse_in_thread = parse_in_thread
        self._rows: dict[str, V] = {}
        self._next: dict[TopicPartition, int] = {}
        self._moved = asyncio.Condition()
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None
        self._read_once = False
        self._turned = time.monotonic()

    def get(self, key: str) -> V | None:
        """The row of a key, or None."""
        return self._rows.get(key)

    def items(self) -> Iterator[tuple[str, V]]:
        """All rows as of now."""
        return iter(list(self._rows.items()))

    def __len__(self) -> int:
        return len(self._rows)

    def ready(self) -> str | None:
        """The text for /readyz if something is wrong, else None."""
        if not self._read_once:
            return f"{self._topic} has not been read to its end yet"
        age = time.monotonic() - self._turned
        return f"{self._topic} is not followed" if age > 60 else None

    async def start(self) -> None:
        """Returns when the topic is read to its end. Waits, and logs it, for as long as Kafka is away."""
        self._task = asyncio.create_task(self._follow(), name=f"table {self._topic}")
        began = time.monotonic()
        while True:
            try:
                await self.read_to_end()
            except TryAgain as away:
                write = log.warning if time.monotonic() - began > QUIET_SECONDS else log.debug
                write("table_waits", topic=self._topic, error=str(away))
                await asyncio.sleep(0.5)
            else:
                self._read_once = True
                return

    async def stop(self) -> None:
        """Stops following; the rows stay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Table[V]:
        try:
            await self.start()
        except asyncio.CancelledError:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def read_to_end(self, timeout_seconds: float = 10.0) -> None:
        """Returns when all records that the topic holds at this call are in the table. Raises TryAgain."""
        reader = self._reader
        if reader is None:
            raise TryAgain(f"{self._topic} is not open")
        try:
            async with asyncio.timeout(timeout_seconds):
                ends = await reader.ends(reader.assigned())
                async with self._moved:
                    await self._moved.wait_for(lambda: self._has_read(ends))
        except TimeoutError as error:
            raise TryAgain(f"{self._topic} could not be read to its end in time") from error

    def _has_read(self, ends: dict[TopicPartition, int]) -> bool:
        return bool(ends) and all(self._next.get(tp, -1) >= end for tp, end in ends.items())

    async def _follow(self) -> None:
        await repeat_until_done(
            self._read_on, BACK_OFF, on_try_again=self._log_reads_again, on_bug=self._stop_loudly
        )

    def _log_reads_again(self, error: BaseException, _: int) -> None:
        log.warning("table_reads_again", topic=self._topic, error=str(error))

    def _stop_loudly(self, bug: BaseException) -> None:
        log.error("bug", topic=self._topic, exc_info=bug)
        self._on_bug(bug)

    async def _read_on(self) -> None:
        """Reads for as long as the reader works. Raises TryAgain when another is needed."""
        async with Reader(self._bootstrap, client_id=self._client_id, fetch_wait_seconds=0.5) as reader:
            await reader.follow(self._topic, begin=self._next)
            self._reader = reader
            try:
                while True:
                    self._turned = time.monotonic()
                    for records in (await reader.poll(max_records=1_000)).values():
                        await self._apply_all(records)
                    await self._move(reader.positions())
            finally:
                self._reader = None

    async def _apply_all(self, records: Sequence[ConsumedRecord]) -> None:
        for record in records:
            self._turned = time.monotonic()
            try:
                key = (record.key or b"").decode()
            except UnicodeDecodeError:
                self._skip(record, "key_not_utf8")
                continue
            try:
                new = await self._row_of(record, key)
            except Unreadable as why:
                self._skip(record, why.reason)
                continue
            old = self._rows.pop(key, None)
            if new is not None:
                self._rows[key] = new
            if self._on_change is not None and old != new:
                self._on_change(key, old, new)

    async def _row_of(self, record: ConsumedRecord, key: str) -> V | None:
        if not self._parse_in_thread or record.value is None:
            return self._parsed(record, key)
        return await in_thread(lambda: self._parsed(record, key))

    def _parsed(self, record: ConsumedRecord, key: str) -> V | None:
        return None if record.value is None else self._parse(key, record.value)

    def _skip(self, record: ConsumedRecord, reason: str) -> None:
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        log.error("row_skipped", reason=reason, **where)
        self._metrics.rows_skipped.labels(record.topic, reason).inc()

    async def _move(self, positions: Mapping[TopicPartition, int]) -> None:
        """Notes how far the table has read, and wakes those who wait for it."""
        before = dict(self._next)
        self._next |= positions
        if self._next != before:
            async with self._moved:
                self._moved.notify_all()
