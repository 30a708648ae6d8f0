"""Whatever stops: nobody is left untold, and nobody is told twice where the channel allows it."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import redis
from standardwebhooks import Webhook

from deploy.local.sinks.mail import KeptMail
from deploy.local.sinks.webhook import KeptWebhook
from deploy.local.stack import Stack
from schemas.case import Case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event
from tests.builders.staff import a_member
from tests.integration.notifier.test_telling_people import a_marked_case, ended
from tests.publishing import Publisher
from tests.topic_watcher import TopicWatcher
from tests.waiting import eventually

Mails = Callable[[], list[KeptMail]]
Webhooks = Callable[[], list[KeptWebhook]]
Watch = Callable[..., AbstractAsyncContextManager[TopicWatcher]]
Ask = Callable[..., httpx.Response]


async def many_decided_cases(journal: Publisher, mark: str, number: int) -> list[Case]:
    """So many decided cases of one agent in the staff. Each makes three notices."""
    agent = f"agent-{mark}"
    await journal.hire(a_member(agent))
    cases = [a_marked_case(mark, one, agent_id=agent) for one in range(number)]
    await journal.submit(*cases)
    await journal.settle(*(a_decision_event(a_decision(case)) for case in cases))
    return cases


async def test_everybody_is_told_after_a_kill_and_a_second_copy_has_the_same_message_id(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, webhooks: Webhooks, watcher: Watch
) -> None:
    cases = await many_decided_cases(journal, mark, 150)
    for least in (20, 150):
        await at_least(mails, least)
        notifier.kill("notifier")
        notifier.start("notifier")
    async with watcher(*(case.case_id for case in cases)) as watching:
        await watching.wait_until(ended(450), seconds=60, what="all told")
    copies = Counter(mail.message_id for mail in mails())
    assert len(copies) == 300
    by_person = {(mail.to, mail.message_id) for mail in mails()}
    assert len(by_person) == 300, "a second copy has the same Message-ID"
    assert sum(copies.values()) - 300 <= 2 * 64, "only what was in hand is sent again"
    assert len({one.webhook_id for one in webhooks()}) == 150
    assert {one.refusal for one in webhooks()} == {None}


async def test_a_notifier_that_is_stopped_finishes_and_nobody_is_told_twice(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    cases = await many_decided_cases(journal, mark, 60)
    await eventually(lambda: len(mails()) >= 10, seconds=30)
    assert notifier.stop("notifier") == 0
    notifier.start("notifier")
    async with watcher(*(case.case_id for case in cases)) as watching:
        await watching.wait_until(ended(180), seconds=60, what="all told")
    assert set(Counter(mail.message_id for mail in mails()).values()) == {1}


async def test_a_second_notifier_that_joins_and_leaves_tells_nobody_twice(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    cases = await many_decided_cases(journal, mark, 200)
    await at_least(mails, 20)
    await asyncio.to_thread(notifier.start, "notifier-2")
    assert await asyncio.to_thread(notifier.stop, "notifier-2") == 0
    async with watcher(*(case.case_id for case in cases)) as watching:
        await watching.wait_until(ended(600), seconds=60, what="all told")
    assert set(Counter(mail.message_id for mail in mails()).values()) == {1}


async def test_a_notifier_that_stood_still_repeats_only_what_it_was_sending(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    cases = await many_decided_cases(journal, mark, 200)
    await at_least(mails, 20)
    notifier.pause("notifier")
    try:
        await asyncio.to_thread(notifier.start, "notifier-2")
        async with watcher(*(case.case_id for case in cases)) as watching:
            await watching.wait_until(ended(600), seconds=60, what="all told by the other")
        notifier.resume("notifier")
        awake = f"{notifier.http('notifier')}/readyz"
        await eventually(lambda: httpx.get(awake, timeout=5).status_code == 200, seconds=30)
    finally:
        notifier.resume("notifier")
        await asyncio.to_thread(notifier.stop, "notifier-2")
    copies = Counter(mail.message_id for mail in mails())
    assert len(copies) == 400
    assert sum(copies.values()) - 400 <= 64, (
        "what was accepted and not yet recorded, and what was on the wire"
    )


async def test_notices_wait_for_a_mail_server_that_is_away(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    notifier.kill("sinks")
    await many_decided_cases(journal, mark, 5)
    await eventually(lambda: tries(notifier, mark) >= 10, seconds=30, what="some tries that failed")
    notifier.start("sinks")
    await eventually(lambda: len(mails()) == 10, seconds=40)


async def test_a_busy_mailbox_is_tried_again_and_holds_nobody_up(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    busy = a_marked_case(mark, "busy", email=f"cu-{mark}@busy.example")
    await journal.submit(busy)
    await journal.settle(a_decision_event(a_decision(busy)))
    await many_decided_cases(journal, mark, 3)
    await eventually(lambda: len(mails()) == 6, seconds=20)
    await eventually(lambda: tries(notifier, mark) >= 3, seconds=20, what="it is tried again")


async def test_after_redis_is_emptied_nobody_is_told_again_and_the_case_files_come_back(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch, ask: Ask
) -> None:
    before = await many_decided_cases(journal, mark, 20)
    async with watcher(*(case.case_id for case in before)) as watching:
        await watching.wait_until(ended(60), seconds=30, what="all told")
    with redis.Redis.from_url(notifier.redis_url) as client:
        client.flushall()
    assert ask(before[0].case_id).status_code in (200, 503), "and never 404"
    after = a_marked_case(mark, "after")
    await journal.submit(after)
    await journal.settle(a_decision_event(a_decision(after)))
    await eventually(lambda: len(mails()) == 41, seconds=30)
    await eventually(lambda: ask(before[0].case_id).status_code == 200, seconds=20)
    shown = ask(before[0].case_id).json()
    assert len(shown["notices"]) == 3
    assert set(Counter(mail.message_id for mail in mails()).values()) == {1}


async def test_notices_wait_for_a_redis_that_is_away(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    cases = await many_decided_cases(journal, mark, 40)
    await eventually(lambda: len(mails()) >= 5, seconds=30)
    notifier.kill("redis")
    ready = f"{notifier.http('notifier')}/readyz"
    await eventually(lambda: httpx.get(ready, timeout=5).status_code == 503, seconds=15)
    later = a_marked_case(mark, "later")
    await journal.submit(later)
    await journal.settle(a_decision_event(a_decision(later)))
    notifier.start("redis")
    async with watcher(*(case.case_id for case in (*cases, later))) as watching:
        await watching.wait_until(ended(123), seconds=60, what="all told")
    await eventually(lambda: httpx.get(ready, timeout=5).status_code == 200, seconds=15)
    assert len({mail.message_id for mail in mails()}) == 81


async def test_notices_wait_for_a_kafka_that_is_away(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch, ask: Ask
) -> None:
    cases = await many_decided_cases(journal, mark, 100)
    await at_least(mails, 20)
    await eventually(lambda: ask(cases[0].case_id).status_code == 200, seconds=30)
    notifier.kill("kafka")
    ready = f"{notifier.http('notifier')}/readyz"
    await eventually(lambda: httpx.get(ready, timeout=5).status_code == 503, seconds=15)
    assert ask(cases[0].case_id).status_code == 200
    assert ask(f"never-{mark}").status_code == 503, "nobody can tell"
    await asyncio.to_thread(notifier.start, "kafka")
    async with watcher(*(case.case_id for case in cases)) as watching:
        await watching.wait_until(ended(300), seconds=90, what="all told")
    await eventually(lambda: httpx.get(ready, timeout=5).status_code == 200, seconds=15)
    assert set(Counter(mail.message_id for mail in mails()).values()) == {1}


async def test_a_webhook_that_fails_is_tried_again_under_the_same_id(
    sinks: Stack, redis_url: str, journal: Publisher, mark: str, tmp_path: Path
) -> None:
    secret = "whsec_" + "bWFuZGFhdC1tYW5kYWF0LW1hbmRhYXQ="
    async with answering(["500", "429", "204"]) as (port, requests):
        hooks = tmp_path / "webhooks.jsonl"
        hooks.write_text(
            json.dumps({"tenant": "acme", "url": f"http://127.0.0.1:{port}/hook", "secret": secret})
        )
        hooks.chmod(0o600)
        await asyncio.to_thread(sinks.start, "notifier", {"MANDAAT_WEBHOOKS_FILE": str(hooks)})
        try:
            case = a_marked_case(mark)
            await journal.submit(case)
            await journal.settle(a_decision_event(a_decision(case)))
            await eventually(lambda: len(requests_about(mark, requests)) == 3, seconds=30)
        finally:
            await asyncio.to_thread(sinks.stop, "notifier")
    heads = [
        dict(re.findall(r"(?m)^([\w-]+): (.*?)\r?$", head)) for head, _ in requests_about(mark, requests)
    ]
    assert len({head["webhook-id"] for head in heads}) == 1
    for head, (_, body) in zip(heads, requests_about(mark, requests), strict=True):
        Webhook(secret).verify(body, head)


async def at_least(mails: Mails, number: int) -> None:
    """Wait until so many mails have arrived."""
    await eventually(lambda: len(mails()) >= number, seconds=30, what=f"{number} mails")


def requests_about(mark: str, requests: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The requests about cases of this test."""
    return [request for request in requests if mark.encode() in request[1]]


def tries(stack: Stack, mark: str) -> int:
    """The number of failed tries of notices of this test, from the log."""
    return sum(
        1
        for line in stack.log("notifier").read_text().splitlines()
        if mark in line and "notice_tried" in line
    )


@asynccontextmanager
async def answering(statuses: list[str]) -> AsyncIterator[tuple[int, list[tuple[str, bytes]]]]:
    """An HTTP server that gives these answers one after the other, and keeps the requests."""
    requests: list[tuple[str, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.findall(r"(?mi)^content-length: (\d+)", head)[0])
        requests.append((head, await reader.readexactly(length)))
        status = statuses[min(len(requests), len(statuses)) - 1]
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], requests
