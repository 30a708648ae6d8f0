"""The transports of mail and webhooks and their doubles give the same outcomes."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.smtp import SMTP
from standardwebhooks import Webhook

from deploy.local.sinks.mail import MailSink, kept_mails
from services.notifier.channels.mail.smtp import Mailer, Server
from services.notifier.channels.outcome import Delivered, Outcome, Passing, Permanent
from services.notifier.channels.webhook.hooks_file import read_hooks
from services.notifier.channels.webhook.post import Hooks
from tests.doubles.notifier import FakeMail, FakeWebhooks

MESSAGE = b"From: a@example.org\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\n.\r\n..dots\r\n"
SECRET = "whsec_bWFuZGFhdC1tYW5kYWF0LW1hbmRhYXQ="
NOW = datetime.now(UTC)


class MailSide(NamedTuple):
    """A transport under test: how to send, how many mails arrived, and how to stop its server."""

    send: Callable[[str, str, bytes], Awaitable[Outcome]]
    arrived: Callable[[], int]
    go_away: Callable[[], Awaitable[None]]


@asynccontextmanager
async def smtp_server(handler: Any, port: int = 0) -> AsyncIterator[asyncio.Server]:
    server = await asyncio.get_running_loop().create_server(
        partial(SMTP, handler, hostname="localhost"), "127.0.0.1", port
    )
    async with server:
        yield server


@pytest.fixture(params=["real", "fake"])
async def mail(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailSide]:
    if request.param == "fake":
        fake = FakeMail()

        async def away() -> None:
            fake.away = True

        yield MailSide(fake.send, lambda: len(fake.kept), away)
        return
    async with smtp_server(MailSink(tmp_path)) as server:
        port = server.sockets[0].getsockname()[1]
        mailer = Mailer(Server("127.0.0.1", port, starttls=False, timeout_seconds=5), connections=2)

        async def stop() -> None:
            server.close()
            await mailer.close()

        yield MailSide(mailer.send, lambda: len(kept_mails(tmp_path)), stop)
        await mailer.close()


async def test_a_mail_to_an_existing_mailbox_is_delivered(mail: MailSide) -> None:
    assert await mail.send("a@example.org", "b@example.org", MESSAGE) == Delivered()
    assert mail.arrived() == 1


async def test_an_unknown_mailbox_fails_for_good_and_the_next_mail_is_sent(
    mail: MailSide,
) -> None:
    refused = await mail.send("a@example.org", "b@refused.example", MESSAGE)
    assert refused == Permanent("smtp_refused: 550 5.1.1")
    assert await mail.send("a@example.org", "b@example.org", MESSAGE) == Delivered()
    assert mail.arrived() == 1


async def test_a_busy_mailbox_may_accept_the_mail_later(mail: MailSide) -> None:
    assert await mail.send("a@example.org", "b@busy.example", MESSAGE) == Passing("smtp_refused: 451 4.3.0")


async def test_a_mail_server_that_is_away_may_come_back(mail: MailSide) -> None:
    await mail.go_away()
    outcome = await mail.send("a@example.org", "b@example.org", MESSAGE)
    assert isinstance(outcome, Passing)
    assert outcome.reason.startswith("smtp_connect")


class ScriptedServer:
    """A server with given answers. It closes a session that sends more than so many mails."""

    def __init__(self, mail: str = "250 OK", data: str = "250 OK", most_in_a_session: int = 10**6) -> None:
        self.answers = {"mail": mail, "data": data}
        self.most = most_in_a_session
        self.in_session: list[int] = []
        self.contents: list[bytes] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd looks the handler up by this name
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.in_session.append(0)
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd looks the handler up by this name
        self, server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.in_session[-1] >= self.most:
            server.transport.close()
        if self.answers["mail"].startswith("250"):
            envelope.mail_from = address
        return self.answers["mail"]

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks the handler up by this name
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        self.in_session[-1] += 1
        self.contents.append(envelope.content)
        return self.answers["data"]


async def send_through(handler: ScriptedServer, times: int = 1) -> list[Outcome]:
    async with smtp_server(handler) as server:
        port = server.sockets[0].getsockname()[1]
        mailer = Mailer(Server("127.0.0.1", port, starttls=False, timeout_seconds=5), connections=1)
        outcomes = [await mailer.send("a@example.org", "b@example.org", MESSAGE) for _ in range(times)]
        await mailer.close()
        return outcomes


async def test_connections_are_kept_and_lines_with_dots_arrive_unchanged() -> None:
    handler = ScriptedServer()
    assert await send_through(handler, times=5) == [Delivered()] * 5
    assert handler.in_session == [5]
    assert {email.message_from_bytes(one).get_payload() for one in handler.contents} == {".\r\n..dots\r\n"}


async def test_a_connection_that_the_server_closed_between_mails_costs_no_try() -> None:
    handler = ScriptedServer(most_in_a_session=2)
    assert await send_through(handler, times=6) == [Delivered()] * 6
    assert handler.in_session == [2, 2, 2]


async def test_an_answer_about_the_message_decides_on_this_notice() -> None:
    (refused,) = await send_through(ScriptedServer(data="554 5.7.1 b@example.org is a spammer"))
    assert refused == Permanent("smtp_refused: 554 5.7.1"), "and the address in it is not repeated"
    assert await send_through(ScriptedServer(data="452 4.2.2 full")) == [Passing("smtp_refused: 452 4.2.2")]


async def test_an_answer_about_our_sender_address_does_not_fail_the_notice() -> None:
    assert await send_through(ScriptedServer(mail="550 5.7.1 you may not send here")) == [
        Passing("smtp_setup: 550 5.7.1")
    ]
    assert await send_through(ScriptedServer(mail="552 5.3.4 too large")) == [
        Permanent("smtp_refused: 552 5.3.4")
    ]


async def test_nothing_is_sent_unencrypted_where_starttls_is_required() -> None:
    handler = ScriptedServer()
    async with smtp_server(handler) as server:
        port = server.sockets[0].getsockname()[1]
        mailer = Mailer(Server("127.0.0.1", port, starttls=True, timeout_seconds=5), connections=1)
        outcome = await mailer.send("a@example.org", "b@example.org", MESSAGE)
        await mailer.close()
    assert isinstance(outcome, Passing)
    assert handler.contents == []


class WebhookSide(NamedTuple):
    """A transport under test, how to set the answer of its receiver, and what arrived."""

    send: Callable[..., Awaitable[Outcome]]
    answer: Callable[[int], None]
    arrived: Callable[[], list[bytes]]


class Receiver:
    """An HTTP server that answers with `status` and keeps the posts."""

    def __init__(self) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if line)
        self.heads.append({name.lower(): value for name, value in fields.items()})
        self.bodies.append(await reader.readexactly(int(self.heads[-1]["content-length"])))
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n{extra}\r\n".encode()
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def real_webhook() -> AsyncIterator[tuple[Hooks, Receiver]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = json.dumps({"tenant": "acme", "url": f"http://127.0.0.1:{port}/hook", "secret": SECRET})
    hooks = Hooks(lambda: read_hooks(line), connections=2)
    async with server:
        yield hooks, receiver
        await hooks.close()


@pytest.fixture(params=["real", "fake"])
async def webhook(request: pytest.FixtureRequest) -> AsyncIterator[WebhookSide]:
    if request.param == "fake":
        fake = FakeWebhooks("acme")
        yield WebhookSide(
            fake.send, partial(setattr, fake, "status"), lambda: [body for _, body in fake.kept]
        )
        return
    async with real_webhook() as (hooks, receiver):
        yield WebhookSide(hooks.send, partial(setattr, receiver, "status"), lambda: receiver.bodies)


async def test_a_webhook_that_accepts_a_post_has_its_exact_bytes(webhook: WebhookSide) -> None:
    body = '{"id": "é"}'.encode()
    assert await webhook.send("acme", "n-1", body, NOW) == Delivered()
    assert webhook.arrived() == [body]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 425])
async def test_a_status_of_a_webhook_that_may_pass_is_tried_again(webhook: WebhookSide, status: int) -> None:
    webhook.answer(status)
    assert await webhook.send("acme", "n-1", b"{}", NOW) == Passing(f"webhook: HTTP {status}")


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 307])
async def test_another_status_of_a_webhook_fails_for_good(webhook: WebhookSide, status: int) -> None:
    webhook.answer(status)
    assert await webhook.send("acme", "n-1", b"{}", NOW) == Permanent(f"webhook: HTTP {status}")
    assert len(webhook.arrived()) == 1, "a redirect is not followed"


async def test_a_post_for_a_tenant_without_a_webhook_fails(webhook: WebhookSide) -> None:
    assert await webhook.send("other", "n-1", b"{}", NOW) == Permanent("no_webhook")


async def test_every_try_has_the_same_id_and_a_signature_of_its_own_time() -> None:
    now = datetime.now(UTC)  # a signature is valid for five minutes, and NOW may be older in a long run
    async with real_webhook() as (hooks, receiver):
        for minutes in (0, 2):
            await hooks.send("acme", "n-1", b'{"a": 1}', now + timedelta(minutes=minutes))
    first, second = receiver.heads
    assert first["webhook-id"] == second["webhook-id"] == "n-1"
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["content-type"] == "application/cloudevents+json"
    for head in (first, second):
        assert Webhook(SECRET).verify(b'{"a": 1}', head) == {"a": 1}


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("40", 40.0),
        (email.utils.format_datetime(NOW + timedelta(seconds=60), usegmt=True), 60.0),
        ("soon", None),
        ("-3", None),
    ],
    ids=["seconds", "date", "word", "negative"],  # a date would name the test otherwise each second
)
async def test_a_webhook_may_say_how_long_to_wait(retry_after: str, seconds: float | None) -> None:
    async with real_webhook() as (hooks, receiver):
        receiver.status, receiver.headers = 429, {"retry-after": retry_after}
        outcome = await hooks.send("acme", "n-1", b"{}", NOW)
    assert isinstance(outcome, Passing)
    assert outcome.retry_after_seconds == (None if seconds is None else pytest.approx(seconds, abs=1.1))


async def test_a_webhook_that_is_away_may_come_back() -> None:
    async with real_webhook() as (hooks, _):
        pass
    line = json.dumps({"tenant": "acme", "url": "http://127.0.0.1:9/hook", "secret": SECRET})
    hooks = Hooks(lambda: read_hooks(line), connections=1)
    outcome = await hooks.send("acme", "n-1", b"{}", NOW)
    await hooks.close()
    assert outcome == Passing("webhook: ConnectError")


async def test_a_webhook_that_never_ends_its_answer_times_out() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b".")
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0.05)

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = json.dumps({"tenant": "acme", "url": f"http://127.0.0.1:{port}/hook", "secret": SECRET})
        hooks = Hooks(lambda: read_hooks(line), connections=1, seconds=0.5)
        async with asyncio.timeout(5):
            outcome = await hooks.send("acme", "n-1", b"{}", NOW)
        await hooks.close()
    assert outcome == Passing("webhook: TimeoutError")
