"""Bad input among good cases: it is kept with its reason, and every good case is decided."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from deploy.local.stack import Stack
from tests.builders.bodies import as_bytes, nested
from tests.builders.events import STRUCTURED, binary_headers
from tests.command_line import mandaat
from tests.raw_records import Raw, RawName, produce_raw
from tests.retail_cases import TENANT, RetailRun, a_retail_run, as_event
from tests.topic_watcher import DECISIONS, TopicWatcher
from tests.waiting import eventually

MARK = "test-mark"


def _bad(case: dict[str, Any]) -> dict[str, tuple[str, Raw]]:
    """Name of the error -> reason and record."""
    key = f"{TENANT}/{case['case_id']}".encode()

    def body(**changes: Any) -> bytes:
        return as_bytes({**case, **changes})

    def asking(**changes: Any) -> bytes:
        return body(request={**case["request"], **changes})

    return {
        "not JSON": ("not_json", Raw(b"hello", key)),
        "not UTF-8": ("not_utf8", Raw(b"\xff" + body(), key)),
        "empty": ("empty", Raw(b"", key)),
        "null": ("null_value", Raw(None, key)),
        "null content-type": ("bad_header", Raw(body(), key, [("content-type", None)])),
        "ce_ that is not UTF-8": (
            "bad_header",
            Raw(body(), key, [*binary_headers(), ("ce_subject", b"\xff")]),
        ),
        "header name that is not UTF-8": ("header_name_not_utf8", Raw(body(), key, [(RawName("x"), b"1")])),
        "2 MB": ("too_large", Raw(body(subject="x" * 2_000_000), key)),
        "33 levels": ("too_deep", Raw(body(facts=nested(32)), key)),
        "NaN": ("not_json", Raw(body(facts={"n": float("nan")}), key)),
        "amount 1e3": ("invalid", Raw(asking(amount="1e3"), key)),
        "amount -5": ("invalid", Raw(asking(amount="-5"), key)),
        "amount 12,50": ("invalid", Raw(asking(amount="12,50"), key)),
        "amount 45.001": ("invalid", Raw(asking(amount="45.001"), key)),
        "unknown currency": ("unknown_currency", Raw(asking(currency="XXY"), key)),
        "unknown tenant": (
            "unknown_tenant",
            Raw(body(tenant="nobody"), f"nobody/{case['case_id']}".encode()),
        ),
        "unknown type": ("unknown_type", Raw(as_bytes({**as_event(case), "type": "other"}), key, STRUCTURED)),
        "missing field": ("missing_field", Raw(body(customer={}), key)),
        "key of another case": ("key_mismatch", Raw(body(), f"{TENANT}/another".encode())),
    }


async def test_each_bad_record_becomes_a_dead_letter_and_all_good_cases_are_decided(
    stack: Stack, retail: None
) -> None:
    run, mark = a_retail_run(stack, most=40), uuid.uuid4().hex
    bad = _bad({**run.cases[-1], "case_id": f"bad-{mark}"})
    records: list[Raw] = []
    for case, (name, (_, raw)) in zip(run.cases, bad.items(), strict=False):
        good = Raw(as_bytes(case), None, [("anything", None), ("else", b"\xff")])
        records += [good, raw._replace(headers=[*raw.headers, (MARK, f"{mark} {name}".encode())])]
    records += [Raw(as_bytes(case), None) for case in run.cases[len(bad) :]]
    await produce_raw(stack.bootstrap, "mandaat.inbound", records)

    async with TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS,)) as watcher:
        await watcher.wait_until(
            lambda one: len(one.decided()) == len(run.cases), seconds=45, what="a decision on every good case"
        )
        assert watcher.decided() == run.expected

    letters = await _letters(stack, mark, len(bad))
    for name, (reason, raw) in bad.items():
        letter = letters[name]
        headers = dict(letter.headers)
        assert headers["mandaat-reason"] == reason.encode(), name
        assert len(headers["mandaat-detail"]) > 20, "a person can read what is wrong"
        assert (letter.key, letter.value) == (raw.key, raw.value), f"{name}: original key and bytes"
    listed = [json.loads(line) for line in mandaat(stack, "dead-letters", "list").splitlines()]
    assert {letter["reason"] for letter in listed} >= {reason for reason, _ in bad.values()}


async def _letters(stack: Stack, mark: str, number: int) -> dict[str, ConsumerRecord[bytes, bytes]]:
    """The dead letters of this test, by the name of the error."""
    consumer = AIOKafkaConsumer(
        "mandaat.dead-letters",
        bootstrap_servers=stack.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=8 << 20,
    )
    found: dict[str, ConsumerRecord[bytes, bytes]] = {}

    async def all_found() -> bool:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                ours = next((value for name, value in record.headers if name == MARK), b"").decode()
                if ours.startswith(mark):
                    found[ours.removeprefix(f"{mark} ")] = record
                elif record.key == f"nobody/bad-{mark}".encode():
                    found["unknown tenant"] = record
        return len(found) == number

    await consumer.start()
    try:
        await eventually(all_found, seconds=30, what="every dead letter")
    finally:
        await consumer.stop()
    return found


async def test_over_http_the_problem_names_the_field_and_good_cases_around_it_are_decided(
    stack: Stack, retail: None
) -> None:
    run = a_retail_run(stack, most=6)
    answers = await _post_with_bad_ones_between(stack, run)
    assert {status for status, _ in answers["good"]} == {202}
    for name, (status, problem) in answers["bad"].items():
        assert 400 <= status < 500, name
        assert problem["title"], name
        assert problem["detail"], name
    assert answers["bad"]["2 MB"][0] == 413
    pointers = [error["pointer"] for error in answers["bad"]["amount 12,50"][1]["errors"]]
    assert pointers == ["/request/amount"]
    async with TopicWatcher(stack.bootstrap, run.case_ids, (DECISIONS,)) as watcher:
        await watcher.wait_until(
            lambda one: one.decided() == run.expected, seconds=45, what="every good case"
        )


async def _post_with_bad_ones_between(stack: Stack, run: RetailRun) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {stack.api_key(TENANT)}", "content-type": "application/json"}
    bad = {
        name: raw.value
        for name, (_, raw) in _bad({**run.cases[0], "case_id": f"bad-{uuid.uuid4().hex}"}).items()
        if name
        in ("not JSON", "not UTF-8", "empty", "2 MB", "33 levels", "NaN", "amount 12,50", "missing field")
    }
    answers: dict[str, Any] = {"good": [], "bad": {}}
    async with httpx.AsyncClient(base_url=stack.http("intake"), headers=headers, timeout=10.0) as client:
        for place, (name, body) in enumerate(bad.items()):
            if place < len(run.cases):
                answer = await client.post("/v1/cases", content=as_bytes(run.cases[place]))
                answers["good"].append((answer.status_code, answer.text))
            answer = await client.post("/v1/cases", content=body or b"")
            assert answer.headers["content-type"] == "application/problem+json"
            answers["bad"][name] = (answer.status_code, answer.json())
    return answers
