"""`mandaat dead-letters` on a real topic."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from typer.testing import CliRunner

from services.chassis.kafka.dead_letters import ConsumedRecord
from services.chassis.kafka.producer import Outgoing, Producer
from services.cli.dead_letters import dead_letters_app
from services.cli.kafka import read_to_the_end

TOPIC = "mandaat.inbound"


def put(
    kafka: str, tenant: str, values: list[bytes | None], reason: str = "not_json", *, keys: bool = True
) -> None:
    """Dead letters as a service writes them."""

    async def send() -> None:
        producer = Producer(kafka, client_id="test")
        await producer.send_all(
            [
                Outgoing(
                    "mandaat.dead-letters",
                    None,
                    f"{tenant}/c-{number}".encode() if keys else None,
                    value,
                    [
                        ("x", None),
                        ("y", b"\xff"),
                        ("mandaat-reason", reason.encode()),
                        ("mandaat-detail", "wat er mis is \u2013 hier".encode()),
                        ("mandaat-service", b"intake"),
                        ("mandaat-topic", TOPIC.encode()),
                        ("mandaat-partition", b"2"),
                        ("mandaat-offset", str(number).encode()),
                    ],
                )
                for number, value in enumerate(values)
            ]
        )
        await producer.stop()

    asyncio.run(send())


def said(kafka: str, *words: str, code: int = 0) -> list[dict[str, Any]]:
    outcome = CliRunner().invoke(dead_letters_app, [*words, "--kafka", kafka])
    assert outcome.exit_code == code, outcome.output
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def inbound(kafka: str, tenant: str) -> list[ConsumedRecord]:
    async def read() -> list[ConsumedRecord]:
        return [
            record
            async for record in read_to_the_end(kafka, TOPIC)
            if record.key is not None and record.key.startswith(f"{tenant}/".encode())
        ]

    return asyncio.run(read())


def test_dead_letters_are_listed_by_tenant_and_reason(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [b"hello", b"you"])
    put(kafka, tenant, [b"{}"], reason="conflict")
    listed = said(kafka, "list", "--tenant", tenant)
    assert sorted((one["reason"], one["key"]) for one in listed) == [
        ("conflict", f"{tenant}/c-0"),
        ("not_json", f"{tenant}/c-0"),
        ("not_json", f"{tenant}/c-1"),
    ]
    assert [one["reason"] for one in said(kafka, "list", "--tenant", tenant, "--reason", "conflict")] == [
        "conflict"
    ]


def test_dead_letters_without_a_key_are_listed_by_the_tenant_in_their_value(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [json.dumps({"tenant": tenant}).encode(), b"nothing"], keys=False)
    outcome = CliRunner().invoke(dead_letters_app, ["list", "--tenant", tenant, "--kafka", kafka])
    (listed,) = map(json.loads, outcome.stdout.splitlines())
    assert (listed["key"], listed["offset"]) == (None, 0)
    assert re.fullmatch(r"mandaat: \d+ more names? no tenant; list them without --tenant\n", outcome.stderr)


def test_a_dead_letter_is_shown_completely(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [b"hello"])
    (listed,) = said(kafka, "list", "--tenant", tenant)
    (shown,) = said(kafka, "show", listed["id"])
    assert shown == {**listed, "headers": [["x", None], ["y", {"base64": "/w=="}]], "value": "hello"}
    assert listed["detail"] == "wat er mis is \u2013 hier"


def test_a_missing_dead_letter_is_reported(kafka: str) -> None:
    assert said(kafka, "show", "0:999999", code=1) == []


@pytest.mark.parametrize(
    "words",
    [["redrive"], ["redrive", "--all", "0:1"], ["show", "one"], ["show"], ["list", "--reason", "no_such"]],
)
def test_a_wrong_call_is_reported(kafka: str, words: list[str]) -> None:
    said(kafka, *words, code=2)


def test_redriven_records_return_to_their_topic_and_partition(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [b"one", b"\xff\xfe", None], reason="null_value")
    done = said(kafka, "redrive", "--all", "--tenant", tenant)
    assert [one["redriven"] for one in done] == [True, True, True]
    records = inbound(kafka, tenant)
    assert [(record.partition, record.value) for record in records] == [
        (2, b"one"),
        (2, b"\xff\xfe"),
        (2, None),
    ]
    assert {record.headers for record in records} == {(("x", None), ("y", b"\xff"))}
    assert [one["to"] for one in done] == [f"{TOPIC}:2:{record.offset}" for record in records]


def test_a_dry_run_does_nothing(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [b"one"])
    (line,) = said(kafka, "redrive", "--all", "--tenant", tenant, "--dry-run")
    assert (line["redriven"], line["to"]) == (False, f"{TOPIC}:2")
    assert inbound(kafka, tenant) == []


def test_one_dead_letter_is_redriven_by_its_id(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [b"one", b"two"])
    wanted = next(one for one in said(kafka, "list", "--tenant", tenant) if one["key"].endswith("c-1"))
    said(kafka, "redrive", wanted["id"])
    assert [record.value for record in inbound(kafka, tenant)] == [b"two"]


def test_incomplete_records_are_not_redriven_and_the_others_are(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [None, b"two"])
    done = said(kafka, "redrive", "--all", "--tenant", tenant, code=1)
    assert sorted(one["redriven"] for one in done) == [False, True]
    assert "not kept" in next(one["why"] for one in done if not one["redriven"])


def test_a_record_that_failed_twice_is_redriven_once(kafka: str, tenant: str) -> None:
    put(kafka, tenant, [b"one"])
    put(kafka, tenant, [b"one"])
    said(kafka, "redrive", "--all", "--tenant", tenant)
    assert len(inbound(kafka, tenant)) == 1
