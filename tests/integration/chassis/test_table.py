from __future__ import annotations

import asyncio
from collections.abc import Callable

from structlog.testing import capture_logs

from schemas.errors import Unreadable
from services.chassis.kafka.producer import Outgoing
from services.chassis.kafka.table import Table
from services.chassis.process.metrics import Metrics
from tests.integration.chassis.conftest import Rig, until

COMPACTED = {"cleanup.policy": "compact"}


def parse(key: str, value: bytes) -> int:
    if not value.isdigit():
        raise Unreadable("invalid", "not a number")
    return int(value)


def a_table(
    rig: Rig,
    topic: str,
    on_change: Callable[[str, int | None, int | None], None] | None = None,
    metrics: Metrics | None = None,
) -> Table[int]:
    return Table(
        topic,
        bootstrap=rig.bootstrap,
        client_id="test",
        metrics=metrics or Metrics(),
        parse=parse,
        on_bug=rig.bugs.append,
        on_change=on_change,
    )


async def rows(rig: Rig, topic: str, **values: bytes | None) -> None:
    await rig.producer.send_all([Outgoing(topic, None, k.encode(), v) for k, v in values.items()])


async def test_after_start_the_table_has_the_newest_value_of_every_key(rig: Rig) -> None:
    topic = await rig.topic(config=COMPACTED)
    await rows(rig, topic, a=b"1", b=b"2", d=b"4")
    await rows(rig, topic, a=b"10", b=None)
    async with a_table(rig, topic) as table:
        assert dict(table.items()) == {"a": 10, "d": 4}
        assert table.get("b") is None
        assert table.ready() is None


async def test_an_unreadable_record_is_counted_and_its_key_keeps_the_row_that_it_had(rig: Rig) -> None:
    topic, metrics = await rig.topic(config=COMPACTED), Metrics()
    await rows(rig, topic, a=b"1", b=b"2")
    await rows(rig, topic, a=b"not a number", c=b"not a number", d=b"4")
    async with a_table(rig, topic, metrics=metrics) as table:
        assert dict(table.items()) == {"a": 1, "b": 2, "d": 4}
    counted = f'mandaat_rows_skipped_total{{reason="invalid",topic="{topic}"}} 2.0'
    assert counted in metrics.exposition().decode()


async def test_read_to_end_reads_all_that_was_acknowledged_before(rig: Rig) -> None:
    topic = await rig.topic(partitions=3, config=COMPACTED)
    async with a_table(rig, topic) as table:
        for number in range(30):
            await rows(rig, topic, **{f"k{number}": str(number).encode()})
            await table.read_to_end()
            assert table.get(f"k{number}") == number


async def test_on_change_gets_the_old_and_the_new_row(rig: Rig) -> None:
    topic, changes = await rig.topic(config=COMPACTED), list[tuple[str, int | None, int | None]]()
    async with a_table(rig, topic, lambda *change: changes.append(change)) as table:
        for value in (b"1", b"1", b"2", None):
            await rows(rig, topic, a=value)
        await table.read_to_end()
    assert changes == [("a", None, 1), ("a", 1, 2), ("a", 2, None)]


async def test_an_empty_topic_is_read_to_its_end(rig: Rig) -> None:
    async with a_table(rig, await rig.topic(config=COMPACTED)) as table:
        assert len(table) == 0


async def test_a_table_waits_for_a_topic_that_is_missing(rig: Rig) -> None:
    topic = f"{rig.name}.later"
    table = a_table(rig, topic)
    with capture_logs() as logged:
        starting = asyncio.create_task(table.start())
        await until(lambda: "table_reads_again" in [one["event"] for one in logged])
    assert table.ready() is not None
    assert not starting.done()
    await rig.topic(topic, config=COMPACTED)
    await asyncio.wait_for(starting, 20)
    await table.stop()


async def test_when_fetching_ends_the_table_goes_on_with_another_reader(rig: Rig) -> None:
    topic = await rig.topic(config=COMPACTED)
    async with a_table(rig, topic) as table:
        await rows(rig, topic, a=b"1")
        await table.read_to_end()
        reader = table._reader
        assert reader is not None
        reader._consumer._fetcher._fetch_task.cancel()
        await until(lambda: table._reader is not reader)
        await rows(rig, topic, b=b"2")
        await until(lambda: dict(table.items()) == {"a": 1, "b": 2})


async def test_a_bug_in_parse_is_reported(rig: Rig) -> None:
    topic = await rig.topic(config=COMPACTED)

    def broken(key: str, value: bytes) -> int:
        raise KeyError(key)

    await rows(rig, topic, a=b"1")
    table = Table(
        topic,
        bootstrap=rig.bootstrap,
        client_id="test",
        metrics=Metrics(),
        parse=broken,
        on_bug=rig.bugs.append,
    )
    starting = asyncio.create_task(table.start())
    await until(lambda: rig.bugs)
    starting.cancel()
    await asyncio.wait([starting])
    await table.stop()
