from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from schemas.asyncapi import SERVICES, document
from schemas.topics import TOPICS, Sizes
from schemas.types import types_in
from tests.contract.node import PROJECT, run_script

CHECK: Final = Path(__file__).parent / "asyncapi"
WARNING: Final = 1
"""A severity of @asyncapi/parser: 0 is an error, 2 is information."""


def parsed(whole: dict[str, Any]) -> Any:
    return json.loads(run_script(CHECK, "check.mjs", json.dumps(whole).encode()))


def test_the_parser_of_asyncapi_finds_no_error_and_no_warning() -> None:
    found = parsed(document())

    assert [one for one in found["said"] if one["severity"] <= WARNING] == []
    assert found["valid"]
    assert len(found["operations"]) == len(document()["operations"])


def test_the_parser_finds_an_error() -> None:
    whole = document()
    whole["operations"]["rules_receives_cases"]["channel"]["$ref"] = "#/channels/nowhere"

    assert [one for one in parsed(whole)["said"] if one["severity"] <= WARNING]


MESSAGES: Final = document()["components"]["messages"]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_example_of_a_message_fits_its_schemas(name: str) -> None:
    """The parser does not look at examples."""
    message = MESSAGES[name]
    for example in message["examples"]:
        for part in ("payload", "headers"):
            if part in message and part in example:
                schema = message[part] | {"components": document()["components"]}
                Draft202012Validator(schema).validate(example[part])


def test_every_topic_is_a_channel_with_its_settings() -> None:
    channels = {one["address"]: one["bindings"]["kafka"] for one in document()["channels"].values()}

    assert list(channels) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        said = channels[topic.name]["topicConfiguration"]
        assert {name: _as_kafka_writes_it(value) for name, value in said.items()} == topic.config(Sizes())


def _as_kafka_writes_it(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_type_of_a_topic_is_a_message_of_its_channel() -> None:
    whole = document()
    for topic in TOPICS:
        (channel,) = (one for one in whole["channels"].values() if one["address"] == topic.name)
        names = {whole["components"]["messages"][name]["name"] for name in channel["messages"]}
        assert set(types_in(topic.name)) <= names or topic.name == "mandaat.inbound"
        assert names


def test_every_service_sends_and_receives() -> None:
    operations = document()["operations"]

    for service in SERVICES:
        actions = {name.split("_")[1] for name in operations if name.startswith(f"{service}_")}
        assert actions == {"sends", "receives"}


def test_the_lock_of_the_parser_names_no_registry() -> None:
    lock = (CHECK / "package-lock.json").read_text()

    assert "resolved" not in lock
    assert "http" not in lock.replace("http-", "").replace("-http", "")


def test_the_licence_is_that_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert document()["info"]["license"] == {"name": project["license"]}
