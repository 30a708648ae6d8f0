"""The sinks store what they receive, and refuse what is invalid."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from aiosmtpd.smtp import SMTP
from aiosmtplib import SMTPRecipientsRefused, send
from standardwebhooks import Webhook

from deploy.local.settings import free_ports
from deploy.local.sinks.mail import MailSink, kept_mails
from deploy.local.sinks.webhook import kept_webhooks, receiver

SECRET = "whsec_" + "c2VjcmV0" * 4
BODY = '{"type": "mandaat.decision.approved.v1"}'


def signed(secret: str = SECRET) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg-1", now, BODY),
    }


def caller(folder: Path) -> httpx.AsyncClient:
    app = receiver(folder, {"acme": SECRET})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sink")


async def test_a_webhook_with_a_valid_signature_is_accepted_and_stored(tmp_path: Path) -> None:
    async with caller(tmp_path) as client:
        answer = await client.post("/webhooks/acme", content=BODY, headers=signed())
    assert answer.status_code == 204
    [kept] = kept_webhooks(tmp_path)
    assert (kept.tenant, kept.webhook_id, kept.refusal, kept.body) == ("acme", "msg-1", None, BODY)


@pytest.mark.parametrize(
    ("tenant", "headers", "status"),
    [
        ("acme", signed("whsec_" + "b3RoZXIh" * 4), 401),
        ("acme", {}, 401),
        ("acme", {**signed(), "webhook-signature": "no comma"}, 401),
        ("acme", {**signed(), "webhook-timestamp": "1"}, 401),
        ("nobody", signed(), 404),
    ],
)
async def test_a_webhook_with_an_invalid_signature_is_refused_and_stored(
    tenant: str, headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    async with caller(tmp_path) as client:
        answer = await client.post(f"/webhooks/{tenant}", content=BODY, headers=headers)
    assert answer.status_code == status
    [kept] = kept_webhooks(tmp_path)
    assert kept.refusal


async def test_a_receiver_can_be_told_to_fail(tmp_path: Path) -> None:
    async with caller(tmp_path) as client:
        answer = await client.post("/webhooks/acme?answer=503", content=BODY, headers=signed())
    assert answer.status_code == 503


async def test_a_mail_is_stored_whole_and_listed_in_the_index(tmp_path: Path) -> None:
    port = free_ports().smtp_port
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(MailSink(tmp_path), enable_SMTPUTF8=True), "127.0.0.1", port
    )
    mail = EmailMessage()
    mail["From"], mail["To"] = "mandaat@example.com", "a.bakker@example.org"
    mail["Subject"], mail["Message-ID"] = "Uw verzoek is één dag oud", "<1@mandaat>"
    mail.set_content("Beste mevrouw Bakker")
    try:
        await send(mail, hostname="127.0.0.1", port=port, start_tls=False)
        for address in ("a@refused.example", "a@busy.example"):
            with pytest.raises(SMTPRecipientsRefused):
                await send(mail, recipients=[address], hostname="127.0.0.1", port=port, start_tls=False)
    finally:
        server.close()
    [kept] = kept_mails(tmp_path)
    assert (kept.to, kept.subject) == (("a.bakker@example.org",), "Uw verzoek is één dag oud")
    assert kept.message_id == "<1@mandaat>"
    assert b"Beste mevrouw Bakker" in (tmp_path / kept.file).read_bytes()
