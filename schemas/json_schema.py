"""The JSON Schemas (draft 2020-12) of all events, records and bodies, made from the models.

The schemas are for readers. Records are kept for ever, and a version only gains optional fields. So a field
with a default is not required, although every record that is written today has it.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from schemas import types
from schemas.topics import DECISIONS, INBOUND, POLICIES, RECORDS, STAFF, TOPICS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


class WithoutTitles(GenerateJsonSchema):
    """A generator without titles of fields. Pydantic's own repeats the name of each field as its title."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def files() -> dict[str, Schema]:
    """All schemas, by their path below schemas/json."""
    events = {
        f"events/{name}": _event(name, topic.name)
        for topic in TOPICS
        for name in types.types_in(topic.name)
        if topic.name != INBOUND
    }
    records = {
        "records/staff": _schema(RECORDS[STAFF]),
        "records/policy_record": _schema(RECORDS[POLICIES]),
    }
    bodies = {f"bodies/{name}": _schema(model) for name, model in types.BODIES.items()}
    inbound = {
        f"bodies/{one.inbound.name}": _inbound_event(one.name, types.event_with(one.inbound.model))
        for one in types.EVENT_TYPES
        if one.inbound is not None
    }
    return {
        f"{name}.schema.json": {"$schema": DIALECT, "$id": f"urn:mandaat:schema:{name}", **schema}
        for name, schema in sorted((events | records | bodies | inbound).items())
    }


def of_type(event_type: str, topic: str) -> Schema:
    """The constraints of one event type on the envelope: its `type`, and its required attributes."""
    always = ["specversion"]
    if event_type != types.LEDGER_MARKED:
        always += ["subject", "tenant", "sequence", "cause"] if topic == DECISIONS else ["subject", "tenant"]
    return {"properties": {"type": {"const": event_type}}, "required": always}


def _event(event_type: str, topic: str) -> Schema:
    schema, own = _schema(types.event_model(event_type)), of_type(event_type, topic)
    schema |= {"title": event_type, "description": types.MEANINGS[event_type]}
    schema["properties"] |= own["properties"]
    schema["required"] += own["required"]
    return schema


def _inbound_event(event_type: str, event: type[BaseModel]) -> Schema:
    """A CloudEvent in mandaat.inbound. `time` is optional; intake adds it and the extensions."""
    schema = _schema(event)
    schema["title"] = f"{event_type} in {INBOUND}"
    schema["properties"]["type"] = {"const": event_type}
    schema["required"] = [name for name in schema["required"] if name != "time"] + ["specversion"]
    return schema


def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(schema_generator=WithoutTitles)
