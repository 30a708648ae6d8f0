"""The AsyncAPI 3.0 document of all topics: their messages, their settings, their senders and receivers."""

from __future__ import annotations

from typing import Final

from schemas.asyncapi_messages import BINDING, messages, names_of, schemas
from schemas.json_schema import Schema
from schemas.topics import TOPICS, Sizes, Topic, short_name

_DESCRIPTION: Final = (
    "Decision authority for contact-centre staff. The request of a case is decided on the spot, or by a"
    " person who may decide it. Then everybody concerned is told. See docs/contracts.md."
)
SERVICES: Final = {
    "intake": "Accepts cases, withdrawals and replies.",
    "rules": "Decides every request once.",
    "notifier": "Tells people about decisions.",
}


def document() -> Schema:
    """The document."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:mandaat",
        "info": {
            "title": "Mandaat",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "contact": {"name": "Maintainers of Mandaat"},
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": name, "description": text} for name, text in SERVICES.items()],
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "local": {
                "host": "127.0.0.1:17092",
                "protocol": "kafka",
                "description": "The local stack, at its default port. Any Kafka of version 4 works.",
            }
        },
        "channels": {short_name(topic.name): _channel(topic) for topic in TOPICS},
        "operations": dict(
            operation
            for topic in TOPICS
            for name in SERVICES
            for action, parties in (("receive", topic.readers), ("send", topic.writers))
            if name in parties
            for operation in [_operation(name, action, topic)]
        ),
        "components": {"messages": messages(), "schemas": schemas()},
    }


def _channel(topic: Topic) -> Schema:
    sizes = Sizes()
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.purpose} {topic.from_to}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names_of(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": sizes.partitions,
                "replicas": sizes.replication,
                "topicConfiguration": {
                    name: _setting(name, text) for name, text in sorted(topic.config(sizes).items())
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _setting(name: str, text: str) -> str | int | bool | list[str]:
    """A setting in the form of the binding: numbers as numbers, and cleanup policies in a list."""
    if name == "cleanup.policy":
        return text.split(",")
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.removeprefix("-").isdecimal() else text


def _operation(service: str, action: str, topic: Topic) -> tuple[str, Schema]:
    group = topic.group_of(service) if action == "receive" else None
    kafka: Schema = {"bindingVersion": BINDING}
    if group is not None:
        kafka["groupId"] = {"type": "string", "const": group}
    channel = short_name(topic.name)
    return f"{service}_{action}s_{channel}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": f"{service} {action}s {topic.name}",
        "tags": [{"name": service}],
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names_of(topic)],
        "bindings": {"kafka": kafka},
    }
