"""The messages of the AsyncAPI document, each with key, headers, payload and an example."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas import types
from schemas.cloud_event import CONTENT_TYPE
from schemas.errors import REASONS
from schemas.json_schema import Schema, WithoutTitles, of_type
from schemas.topics import DEAD_LETTERS, INBOUND, POLICIES, RECORDS, STAFF, TOPICS, Topic, short_name

BINDING: Final = "0.5.0"
"""The version of the Kafka bindings."""
_JSON: Final = "application/json"
_INBOUND_CASES: Final = {f"inbound.{mode}": mode for mode in ("structured", "binary", "bare")}
_INBOUND_WITHDRAWALS: Final = {f"inbound.withdrawal.{mode}": mode for mode in ("structured", "binary")}
_INBOUND_TITLES: Final = {types.CASE_SUBMITTED: "A case", types.CASE_WITHDRAWN: "A withdrawal"}
_DEAD_LETTER_HEADERS: Final[dict[str, Schema]] = {
    "reason": {"enum": sorted(REASONS), "description": "The reason, as a code."},
    "detail": {"description": "The reason, as a sentence."},
    "service": {"description": "The service that could not handle the record."},
    "topic": {"description": "The topic of the record."},
    "partition": {"pattern": "^[0-9]+$"},
    "offset": {"pattern": "^[0-9]+$"},
}
"""The headers that are added to a dead letter, without their prefix `mandaat-`."""


def names_of(topic: Topic) -> list[str]:
    """The names of the messages of a topic."""
    if topic.name == INBOUND:
        return [*_INBOUND_CASES, *_INBOUND_WITHDRAWALS]
    return [short_name(name) for name in types.types_in(topic.name) or (topic.name,)]


def messages() -> Schema:
    """All messages, by name."""
    own = (topic for topic in TOPICS if topic.name != INBOUND)
    events = {short_name(name): _event(name, topic) for topic in own for name in types.types_in(topic.name)}
    inbound = {name: _inbound(mode, types.CASE_SUBMITTED) for name, mode in _INBOUND_CASES.items()} | {
        name: _inbound(mode, types.CASE_WITHDRAWN) for name, mode in _INBOUND_WITHDRAWALS.items()
    }
    return (
        events
        | inbound
        | {
            short_name(STAFF): _record(STAFF, "staff", "A member of staff; a null value removes them."),
            short_name(POLICIES): _record(
                POLICIES, "policy", "A version of a policy; a null value removes it."
            ),
            short_name(DEAD_LETTERS): _dead_letter(),
        }
    )


def schemas() -> Schema:
    """The schemas of all messages, by the name of the model."""
    models: list[type[BaseModel]] = [types.event_model(name) for name in types.MODELS] + [
        *RECORDS.values(),
        *types.INBOUND_MODELS.values(),
    ]
    _, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)],
        ref_template="#/components/schemas/{model}",
        schema_generator=WithoutTitles,
    )
    return definitions["$defs"]  # type: ignore[no-any-return]  # JSON


def _event(event_type: str, topic: Topic) -> Schema:
    model = types.event_model(event_type)
    name = short_name(event_type)
    key = "ledger/<partition>" if event_type == types.LEDGER_MARKED else topic.key
    return {
        **_message(event_type, types.MEANINGS[event_type], topic.content_type, key),
        "headers": _headers(CONTENT_TYPE),
        "payload": {"allOf": [_ref(model.__name__), of_type(event_type, topic.name)]},
        "examples": [_example(topic.name, name)],
    }


def _inbound(mode: str, event_type: str) -> Schema:
    content = CONTENT_TYPE if mode == "structured" else _JSON
    title, model = _INBOUND_TITLES[event_type], types.INBOUND_MODELS[event_type]
    payload, headers = _ref(model.__name__), _inbound_headers(mode, event_type)
    form = "JSON" if mode == "bare" else f"a CloudEvent in {mode} mode"
    if mode == "structured":
        payload = {
            "type": "object",
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string"},
                "source": {"type": "string"},
                "type": {"const": event_type},
                "data": payload,
            },
            "required": ["specversion", "id", "source", "type", "data"],
        }
    return {
        **_message(f"inbound, {mode}", f"{title}, as {form}.", content, "<tenant>/<case_id>, or none"),
        "headers": headers,
        "payload": payload,
        "examples": [_example(INBOUND, f"{short_name(event_type)}--{mode}")],
    }


def _record(topic: str, name: str, summary: str) -> Schema:
    (key,) = (one.key for one in TOPICS if one.name == topic)
    return {
        **_message(name, summary, _JSON, key),
        "payload": _ref(RECORDS[topic].__name__),
        "examples": [_example(topic, name)],
    }


def _dead_letter() -> Schema:
    required = [f"mandaat-{name}" for name in _DEAD_LETTER_HEADERS]
    properties = {f"mandaat-{name}": {"type": "string"} | more for name, more in _DEAD_LETTER_HEADERS.items()}
    return {
        **_message(
            "dead letter",
            "A record that could not be handled, unchanged.",
            "application/octet-stream",
            "that of the record",
        ),
        "headers": {"type": "object", "properties": properties, "required": required},
        "payload": {"description": "The bytes of the record."},
        "examples": [_example(DEAD_LETTERS, "dead-letter")],
    }


def _message(title: str, summary: str, content_type: str, key: str) -> Schema:
    return {
        "name": title,
        "title": title,
        "summary": summary,
        "contentType": content_type,
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": BINDING}},
    }


def _headers(content_type: str) -> Schema:
    return {
        "type": "object",
        "properties": {"content-type": {"type": "string", "const": content_type}},
        "required": ["content-type"],
    }


def _inbound_headers(mode: str, event_type: str) -> Schema:
    if mode == "structured":
        return _headers(CONTENT_TYPE)
    return _binary_headers(event_type) if mode == "binary" else {"type": "object"}


def _binary_headers(event_type: str) -> Schema:
    given = {"specversion": {"const": "1.0"}, "id": {}, "source": {}, "type": {"const": event_type}}
    free: dict[str, Schema] = {"subject": {}, "time": {}, "tenant": {}, "traceparent": {}}
    return {
        "type": "object",
        "properties": {f"ce_{name}": {"type": "string"} | more for name, more in (given | free).items()},
        "required": [f"ce_{name}" for name in given],
    }


def _ref(model: str) -> Schema:
    return {"$ref": f"#/components/schemas/{model.replace('[', '_').replace(']', '_')}"}


def _example(topic: str, name: str) -> Schema:
    folder = files("schemas").joinpath("examples", topic, "v1")
    record = folder.joinpath(f"{name}.record.json")
    example: dict[str, Any] = {
        "name": name,
        "payload": json.loads(folder.joinpath(f"{name}.json").read_bytes()),
    }
    if record.is_file():
        example["headers"] = json.loads(record.read_bytes())["headers"]
    return example
