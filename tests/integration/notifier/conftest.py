"""The notifier as a process on the real Kafka, Redis, mail server and webhook receiver.

On a stack of its own: these tests write the journal in place of rules, and rules would not start on it.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import httpx
import pytest

from deploy.local.settings import free_ports
from deploy.local.sinks.mail import KeptMail, kept_mails
from deploy.local.sinks.webhook import KeptWebhook, kept_webhooks
from deploy.local.stack import Stack, temporary_stack
from tests.publishing import Publisher
from tests.topic_watcher import DEAD_LETTERS, NOTICES, TopicWatcher


@pytest.fixture(scope="package")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with temporary_stack(tmp_path_factory.mktemp("notifier"), free_ports()) as one:
        yield one


@pytest.fixture
def notifier(backing: Stack) -> Iterator[Stack]:
    """The stack with the notifier on it; `.kill("notifier")` and so on."""
    backing.up(["kafka", "redis", "sinks"])
    backing.start("notifier")
    yield backing
    backing.stop("notifier")


@pytest.fixture
async def journal(kafka: str) -> AsyncIterator[Publisher]:
    async with Publisher(kafka) as one:
        yield one


@pytest.fixture
def mark() -> str:
    """A text that makes the ids and addresses of a test its own."""
    return uuid.uuid4().hex[:10]


@pytest.fixture
def mails(backing: Stack, mark: str) -> Callable[[], list[KeptMail]]:
    """The mails that were kept for addresses that hold the mark."""
    return lambda: [mail for mail in kept_mails(backing.mail_folder) if mark in mail.to[0]]


@pytest.fixture
def webhooks(backing: Stack, mark: str) -> Callable[[], list[KeptWebhook]]:
    """The webhooks that were received about cases that hold the mark."""
    return lambda: [one for one in kept_webhooks(backing.webhook_folder) if mark in one.body]


@pytest.fixture
def watcher(kafka: str) -> Callable[..., AbstractAsyncContextManager[TopicWatcher]]:
    """Watches what is published about some cases."""
    return lambda *case_ids: TopicWatcher(kafka, case_ids, (NOTICES, DEAD_LETTERS))


@pytest.fixture
def ask(backing: Stack) -> Callable[..., httpx.Response]:
    """`GET /v1/cases/{id}` with the key of a tenant."""

    def get(case_id: str, tenant: str = "acme", key: str | None = None) -> httpx.Response:
        return httpx.get(
            f"{backing.http('notifier')}/v1/cases/{quote(case_id, safe='')}",
            headers={"authorization": f"Bearer {key or backing.api_key(tenant)}"},
            timeout=10,
        )

    return get
