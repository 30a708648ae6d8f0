"""One notice over its channel: the contact, the language, and what happens where something is missing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas import types
from schemas.case import Case
from schemas.notice import ChannelName
from schemas.staff import StaffMember
from services.notifier.app import letter_writer, mail_server, open_channels
from services.notifier.channels.channel import Channel, DeliveryAttempt
from services.notifier.channels.contacts import Contacts
from services.notifier.channels.mail.channel import MailChannel
from services.notifier.channels.mail.sender import Logo, Sender, Senders
from services.notifier.channels.outcome import Delivered, Outcome, Permanent
from services.notifier.channels.webhook.channel import WebhookChannel
from services.notifier.outbox.case_file import read_material
from services.notifier.outbox.dispatcher import _attempt
from services.notifier.outbox.fairness import ChannelQueue
from services.notifier.outbox.in_hand import ClaimedNotice, NoticesInHand
from services.notifier.settings import NotifierSettings
from tests.builders.approvals import an_approval
from tests.builders.cases import a_case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event, an_approval_event
from tests.builders.notices import a_pending_notice
from tests.builders.staff import a_member
from tests.doubles.notifier import FakeLabels, FakeMail, FakeStaff, FakeWebhooks

NOW = datetime.now(UTC)


class Channels:
    """Both channels, with doubles around them."""

    def __init__(self, *staff: StaffMember) -> None:
        self.mails, self.webhooks, self.staff = FakeMail(), FakeWebhooks("acme"), FakeStaff(staff)
        self.labels = FakeLabels()
        self.own_senders: dict[str, Sender] = {}
        senders = Senders(Sender("Mandaat", "no-reply@mandaat.example"), lambda: self.own_senders)
        contacts = Contacts(self.staff, "nl")
        self.mail = MailChannel(self.mails, contacts, letter_writer(), self.labels, senders, concurrency=2)
        self.webhook = WebhookChannel(self.webhooks, lambda: ["acme"], concurrency=2)

    async def send(
        self,
        event: Any,
        audience: str = "customer",
        person: str | None = "cu-1",
        case: Case | None = None,
        remark: bytes | None = None,
        **changes: Any,
    ) -> DeliveryAttempt:
        channel: Channel = self.webhook if audience == "webhook" else self.mail
        values = (event.to_bytes(), (case or a_case()).model_dump_json().encode(), remark)
        material = read_material(values if channel.needs_case else values[:1])
        assert material is not None
        return await channel.send(a_pending_notice(event, audience, person, **changes), material, NOW)

    async def outcome(self, *arguments: Any, **named: Any) -> Outcome:
        return (await self.send(*arguments, **named)).outcome


async def test_customers_get_mail_in_their_own_language() -> None:
    for language, greeting in (("nl", b"Beste"), ("en-US", b"Dear"), ("fr", b"Dear"), (None, b"Beste")):
        channels = Channels()
        case = a_case(language=language)
        assert await channels.outcome(a_decision_event(a_decision(case)), case=case) == Delivered()
        assert greeting in channels.mails.kept[0][1]


async def test_colleagues_get_mail_in_their_language_and_not_in_the_customers() -> None:
    channels = Channels(a_member("agent-01", language="en"))
    attempt = await channels.send(a_decision_event(a_decision(a_case())), "agent", "agent-01")
    assert attempt.language == "en"
    assert channels.mails.kept[0][0] == "agent-01@example.org"


async def test_a_colleague_hired_a_moment_ago_is_found() -> None:
    channels = Channels()
    channels.staff.published.append(a_member("agent-01"))
    assert await channels.outcome(a_decision_event(a_decision(a_case())), "agent", "agent-01") == Delivered()


async def test_an_id_that_is_not_in_the_staff_fails_as_unknown_person() -> None:
    event = a_decision_event(a_decision(a_case()))
    assert await Channels().outcome(event, "agent", "agent-01") == Permanent("unknown_person")


async def test_a_missing_or_impossible_address_fails_with_its_reason() -> None:
    for email, reason in ((None, "no_address"), ("", "no_address"), ("x@y@z", "bad_address")):
        case = a_case(email=email)
        assert await Channels().outcome(a_decision_event(a_decision(case)), case=case) == Permanent(reason)


@pytest.mark.parametrize("keeps_event", [True, False])
async def test_a_mail_about_a_case_that_is_no_longer_kept_fails(keeps_event: bool) -> None:
    channels, event = Channels(), a_decision_event(a_decision(a_case()))
    notice = a_pending_notice(event)
    values = (event.to_bytes() if keeps_event else None, None, None)
    attempt = await _attempt(channels.mail, notice, values, NOW)
    assert attempt.outcome == Permanent("case_gone")
    assert channels.mail.message_id(notice) == f"<{notice.notice_id}@mandaat.example>"


async def test_a_webhook_gets_the_event_byte_for_byte_under_the_id_of_the_notice() -> None:
    channels, event = Channels(), a_decision_event(a_decision(a_case()))
    assert await channels.outcome(event, "webhook", None) == Delivered()
    message_id = channels.webhook.message_id(a_pending_notice(event, "webhook", None))
    assert channels.webhooks.kept == [(message_id, event.to_bytes())]


async def test_a_webhook_needs_no_case() -> None:
    channels, event = Channels(), a_decision_event(a_decision(a_case(), "withdrawn"))
    attempt = await _attempt(
        channels.webhook, a_pending_notice(event, "webhook", None), (event.to_bytes(),), NOW
    )
    assert attempt.outcome == Delivered()


async def test_mail_to_a_colleague_has_the_note_of_the_decision_and_waits_for_no_other_event() -> None:
    decided: dict[str, Any] = {"by": "person", "decided_by": "lead-01"}
    event = a_decision_event(a_decision(a_case(), "refused", note="had one last week", **decided))
    channels = Channels(a_member("agent-01"))
    assert await channels.outcome(event, "agent", "agent-01", remark=None) == Delivered()
    assert b"> had one last week" in channels.mails.kept[0][1]


async def test_the_note_of_an_older_decision_is_found_in_its_closed_approval() -> None:
    event = a_decision_event(a_decision(a_case(), "refused", by="person", decided_by="lead-01"))
    channels = Channels(a_member("agent-01"))
    assert await channels.outcome(event, "agent", "agent-01", remark=b"had one last week") == Delivered()
    assert b"> had one last week" in channels.mails.kept[0][1]


async def test_mail_names_a_kind_as_the_policy_of_its_tenant_does() -> None:
    channels = Channels()
    channels.labels.known = {"acme": {"refund": {"nl": "geld terug"}}, "other": {"refund": {"nl": "nee"}}}
    case = a_case(language="nl")
    assert await channels.outcome(a_decision_event(a_decision(case)), case=case) == Delivered()
    assert b"Goedgekeurd: geld terug" in channels.mails.kept[0][1]


async def test_mail_comes_from_its_tenants_own_sender_under_the_same_message_id() -> None:
    channels = Channels()
    case, event = a_case(), a_decision_event(a_decision(a_case()))
    before = channels.mail.message_id(a_pending_notice(event))
    channels.own_senders["acme"] = Sender(
        "Acme, Zorg", "zorg@acme.example", signature="Acme", logo=Logo(b"\x89PNG\r\n\x1a\n", "png")
    )
    assert await channels.outcome(event, case=case) == Delivered()
    mail = message_from_bytes(channels.mails.kept[0][1], policy=default)
    assert mail["From"] == '"Acme, Zorg" <zorg@acme.example>'
    assert mail["Message-ID"] == before == channels.mail.message_id(a_pending_notice(event))
    assert [part.get_content_type() for part in mail.walk()][-1] == "image/png"


async def test_mail_waits_until_the_policies_are_read() -> None:
    channels = Channels()
    assert channels.mail.ready() is None
    channels.labels.problem = "mandaat.policies has not been read to its end yet"
    assert channels.mail.ready() == channels.labels.problem


async def test_every_copy_of_a_notice_is_the_same_mail() -> None:
    channels = Channels(a_member("lead-01"))
    event = an_approval_event(types.APPROVAL_REQUESTED, an_approval(a_case(), "lead-01"))
    for _ in range(2):
        await channels.send(event, "approver", "lead-01")
    assert channels.mails.kept[0] == channels.mails.kept[1]


async def test_every_channel_name_of_a_notice_has_its_channel(tmp_path: Path) -> None:
    settings = NotifierSettings(keys_file=tmp_path, mail_from="a@example.org")
    channels = open_channels(
        settings,
        mail_server(settings),
        dict,
        Contacts(FakeStaff(), "nl"),
        FakeLabels(),
        Senders(settings.sender),
    )
    assert {one.name for one in channels} == set(get_args(ChannelName))
    for one in channels:
        await one.close()


async def test_a_webhook_serves_only_the_tenants_that_have_one_and_mail_serves_all() -> None:
    channels = Channels()
    assert [channels.webhook.serves(tenant) for tenant in ("acme", "other")] == [True, False]
    assert channels.mail.serves("other")


async def test_a_tenant_that_gets_a_webhook_later_shares_with_those_that_had_one() -> None:
    tenants = ["acme"]
    webhook = WebhookChannel(FakeWebhooks(), lambda: tenants, concurrency=16)
    queue = ChannelQueue(webhook, NoticesInHand())
    for _ in range(9):
        queue.put(
            ClaimedNotice(0, a_pending_notice(a_decision_event(a_decision(a_case())), "webhook", None), ())
        )
    tenants.append("other")
    assert webhook.serves("other")
    for _ in range(8):
        await queue.get()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.01)


async def test_a_tenant_may_take_all_of_the_mail_and_only_its_share_of_the_webhooks() -> None:
    transport = FakeWebhooks()
    two = WebhookChannel(transport, lambda: ["acme", "other"], concurrency=16)
    assert two.share_of_tenant(16) == 8
    assert Channels().mail.share_of_tenant(16) == 16
