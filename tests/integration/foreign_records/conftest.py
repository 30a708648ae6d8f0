"""All services on a stack of its own: these tests write into topics that only Mandaat may write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.settings import free_ports
from deploy.local.stack import Stack, temporary_stack

SERVICES = ("intake", "rules", "notifier")


@pytest.fixture(scope="package")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with temporary_stack(tmp_path_factory.mktemp("foreign"), free_ports()) as one:
        yield one


@pytest.fixture
def services(backing: Stack) -> Iterator[Stack]:
    """All services run, and none of them meets a bug during the test."""
    backing.up(["kafka", "redis", "sinks", *SERVICES])
    yield backing
    for name in SERVICES:
        assert backing.running(name), name
        assert '"stopped_by_a_bug"' not in backing.log(name).read_text(), name
