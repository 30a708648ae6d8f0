"""Every example is read and written by its model, byte for byte."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import BaseModel

from schemas import types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.decision import Decision
from schemas.ids import approval_id, derived_id
from schemas.reading import read
from schemas.request_digest import request_digest
from schemas.topics import DEAD_LETTERS, INBOUND, RECORDS, TOPICS, event_topics_of
from tests.contract.examples import EVENTS, EXAMPLES, FOLDER, Example, example

UPDATE = "the example lacks a field, or the model lost one"


def test_every_topic_type_and_version_has_an_example() -> None:
    wanted = {(topic.name, name) for topic in TOPICS for name in types.types_in(topic.name)}

    assert {
        (one.topic, one.event_type) for one in EXAMPLES if one.topic not in (*RECORDS, DEAD_LETTERS)
    } == wanted
    assert {one.topic for one in EXAMPLES} == {topic.name for topic in TOPICS}


def test_every_type_that_has_a_model_is_in_a_topic() -> None:
    assert set(types.MODELS) == {name for topic in TOPICS for name in types.types_in(topic.name)}


def test_every_file_of_the_folder_is_an_example_or_holds_its_key_and_headers() -> None:
    files = {path for path in FOLDER.rglob("*") if path.is_file() and path.name != "README.md"}
    records = {
        one.path.with_suffix(".record.json") for one in EXAMPLES if one.topic in (INBOUND, DEAD_LETTERS)
    }

    assert files == {one.path for one in EXAMPLES} | records


@pytest.mark.parametrize("one", [one for one in EXAMPLES if one.topic != DEAD_LETTERS], ids=str)
def test_an_example_that_is_read_and_written_again_is_the_same(one: Example) -> None:
    model: BaseModel = read(one.model, one.value)
    ours = one.topic not in (INBOUND, *RECORDS)
    written = model.to_bytes() if isinstance(model, CloudEvent) and ours else None
    if one.topic == INBOUND:
        written = model.model_dump_json(exclude_unset=True).encode()

    assert json.loads(written or model.model_dump_json()) == one.json, UPDATE
    assert read(one.model, written or model.model_dump_json().encode()) == model


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_an_example_is_laid_out_for_people(one: Example) -> None:
    assert one.value.decode() == json.dumps(one.json, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("one", EVENTS, ids=str)
def test_an_event_names_its_tenant_case_and_type(one: Example) -> None:
    event, data = one.json, one.json["data"]

    assert event["type"] == one.event_type
    assert event["specversion"] == "1.0"
    if one.event_type != types.LEDGER_MARKED:
        assert event["tenant"] == data.get("tenant", event["tenant"]) == "retail"
        assert event["subject"] == data.get("case_id") or data["approval"]["case_id"]


@pytest.mark.parametrize("one", EVENTS, ids=str)
def test_events_of_rules_and_notifier_have_derived_ids(one: Example) -> None:
    event, data = one.json, one.json["data"]
    about = data.get("approval", data)
    key = (event.get("tenant"), about.get("case_id"), about.get("request_id"))

    match one.name.split("."):
        case "decision", _:
            closing = data["outcome"] != "withdrawn" and data["decided_by"] is not None
            expected = derived_id(one.event_type, *key, 2 if closing else 1)
            assert data["decision_id"] == event["id"]
        case "approval", "late" | "not_entitled":
            expected = derived_id(one.event_type, *key, data["reply_id"])
        case "approval", _:
            expected = derived_id(one.event_type, *key, about["version"])
        case "ledger", "marked":
            micros = round(read(one.model, one.value).time.timestamp() * 1_000_000)
            expected = derived_id(one.event_type, data["partition"], micros)
        case "notice", _:
            expected = derived_id(one.event_type, data["notice_id"])
        case "case", "submitted" if data["origin"] is not None:
            expected = derived_id(INBOUND, 3, 118)
        case _:
            assert one.topic in event_topics_of("intake")  # over HTTP
            assert re.fullmatch(
                r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", event["id"]
            )
            return
    assert event["id"] == expected


@pytest.mark.parametrize(
    "one",
    [one for one in EVENTS if one.topic == "mandaat.decisions" and one.event_type != types.LEDGER_MARKED],
    ids=str,
)
def test_an_event_of_the_journal_carries_its_order_and_its_cause(one: Example) -> None:
    event = one.json

    assert re.fullmatch("[0-9]{16}", event["sequence"])
    assert round(read(one.model, one.value).time.timestamp() * 1_000_000) == int(event["sequence"])
    assert event["cause"]


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_an_approval_id_names_its_case_and_request(one: Example) -> None:
    data = one.json.get("data", {})
    for part in (data, data.get("approval", {})):
        if part.get("approval_id"):
            assert part["approval_id"] == approval_id(part["case_id"], part["request_id"])


@pytest.mark.parametrize(
    "one", [one for one in EXAMPLES if one.path.with_suffix(".record.json").exists()], ids=str
)
def test_headers_and_key_of_a_record_are_text_or_null(one: Example) -> None:
    assert set(one.record) == {"key", "headers"}
    assert all(isinstance(text, str) for text in one.record["headers"].values())


def submitted() -> Case:
    return read(CloudEvent[Case], example("mandaat.cases", "case.submitted").value).data


def decision(name: str) -> Decision:
    return read(CloudEvent[Decision], example("mandaat.decisions", f"decision.{name}").value).data


def test_the_digest_of_a_request_is_the_same_on_all_its_events() -> None:
    digest = request_digest(submitted())
    approval = example("mandaat.decisions", "approval.closed").json["data"]["approval"]

    assert (decision("escalated").request_digest, decision("approved").request_digest) == (digest, digest)
    assert approval["request_digest"] == digest
