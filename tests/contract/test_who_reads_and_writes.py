"""The readers and writers of a topic in schemas.topics are those in the code of the services."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from deploy.local.settings import Ports
from schemas import topics
from schemas.asyncapi import SERVICES, document
from schemas.topics import DEAD_LETTERS, TOPICS

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = {name: value for name, value in vars(topics).items() if value in [one.name for one in TOPICS]}
"""CASES -> mandaat.cases"""


def modules(service: str) -> Iterator[tuple[ModuleType, ast.Module]]:
    """The modules of a service, imported and parsed."""
    for path in sorted((ROOT / "services" / service).rglob("*.py")):
        place = path.relative_to(ROOT).with_suffix("").parts
        if "core" not in place and place[-1] not in ("__init__", "__main__"):
            yield import_module(".".join(place)), ast.parse(path.read_text())


def consumed(service: str) -> dict[str, str | None]:
    """Each topic that a service subscribes to, with its group, or follows without one."""
    found: dict[str, str | None] = {}
    for module, tree in modules(service):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if _called(call) in ("Subscription", "Table", "Follower"):
                group = next((_value(module, one.value) for one in call.keywords if one.arg == "group"), None)
                for argument in call.args:
                    value = _value(module, argument)
                    found |= dict.fromkeys(value if isinstance(value, tuple) else (value,), group)
    return found


def _called(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return None


def _value(module: ModuleType, node: ast.expr) -> object:
    named = node.value if isinstance(node, ast.Starred) else node
    assert isinstance(named, ast.Name), f"{module.__name__}: name the topic or group by a constant"
    return getattr(module, named.id)


def named(service: str) -> set[str]:
    """Each topic that the code of a service names."""
    return {
        NAMES[alias.name]
        for _, tree in modules(service)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "schemas.topics"
        for alias in node.names
        if alias.name in NAMES
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_consumes_the_topics_of_which_it_is_a_reader_in_the_named_group(service: str) -> None:
    said = {topic.name: topic.group_of(service) for topic in TOPICS if service in topic.readers}

    assert consumed(service) == said


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_the_other_topics_that_it_names(service: str) -> None:
    said = {topic.name for topic in TOPICS if service in topic.writers}

    assert named(service) - set(consumed(service)) == said - {DEAD_LETTERS}
    assert DEAD_LETTERS in said, "which the chassis writes for it"


def test_the_address_of_the_local_stack_is_correct() -> None:
    assert document()["servers"]["local"]["host"] == f"127.0.0.1:{Ports.model_fields['kafka_port'].default}"


def test_asyncapi_has_exactly_the_reads_and_writes_of_each_service() -> None:
    said = {
        f"{service}_{verb}_{topics.short_name(topic.name)}"
        for topic in TOPICS
        for verb, parties in (("receives", topic.readers), ("sends", topic.writers))
        for service in set(parties) & set(SERVICES)
    }

    assert set(document()["operations"]) == said
