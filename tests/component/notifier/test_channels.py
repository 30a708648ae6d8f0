"""One notice: who reads it, in which language, and what happens where something is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas import types
from schemas.case import Case
from schemas.staff import StaffMember
from services.notifier.app import letters
from services.notifier.channels.delivery import NOTE_TRIES, DeliveryAttempt, Material, NoticeDelivery
from services.notifier.channels.mail.message import FromAddress
from services.notifier.channels.outcome import Delivered, Outcome, Passing, Permanent
from tests.doubles.notifier import FakeMail, FakeStaff, FakeWebhooks
from tests.telling_events import a_case, a_decision, a_member, a_pending, about_approval, an_approval, decided

NOW = datetime.now(UTC)


class Office:
    """The notifier's way to tell one notice, with doubles around it."""

    def __init__(self, *staff: StaffMember) -> None:
        self.mail, self.webhooks, self.staff = FakeMail(), FakeWebhooks("acme"), FakeStaff(staff)
        self._telling = NoticeDelivery(
            mail=self.mail,
            webhooks=self.webhooks,
            staff=self.staff,
            letters=letters(),
            sender=FromAddress("Mandaat", "no-reply@mandaat.example"),
            when_unknown="nl",
        )

    async def tell(
        self,
        event: Any,
        audience: str = "customer",
        person: str | None = "cu-1",
        case: Case | None = None,
        note: bytes | None = b"",
        **changes: Any,
    ) -> DeliveryAttempt:
        pending = a_pending(event, audience, person, **changes)
        material = Material((case or a_case()).model_dump_json().encode(), event.to_bytes(), note)
        return await self._telling.tell(pending, material, NOW)

    async def outcome(self, *arguments: Any, **named: Any) -> Outcome:
        return (await self.tell(*arguments, **named)).outcome


async def test_a_customer_reads_their_own_language() -> None:
    for language, greeting in (("nl", b"Beste"), ("en-US", b"Dear"), ("fr", b"Dear"), (None, b"Beste")):
        office = Office()
        case = a_case(language=language)
        assert await office.outcome(decided(a_decision(case)), case=case) == Delivered()
        assert greeting in office.mail.kept[0][1]


async def test_a_colleague_reads_theirs_whatever_the_customers() -> None:
    office = Office(a_member("agent-01", language="en"))
    told = await office.tell(decided(a_decision(a_case())), "agent", "agent-01")
    assert told.language == "en"
    assert office.mail.kept[0][0] == "agent-01@example.org"


async def test_who_was_hired_a_moment_ago_is_found() -> None:
    office = Office()
    office.staff.published.append(a_member("agent-01"))
    assert await office.outcome(decided(a_decision(a_case())), "agent", "agent-01") == Delivered()


async def test_whom_nobody_hired_is_said_to_be_unknown() -> None:
    event = decided(a_decision(a_case()))
    assert await Office().outcome(event, "agent", "agent-01") == Permanent("unknown_person")


async def test_a_missing_or_impossible_address_is_said() -> None:
    for email, reason in ((None, "no_address"), ("", "no_address"), ("x@y@z", "bad_address")):
        case = a_case(email=email)
        assert await Office().outcome(decided(a_decision(case)), case=case) == Permanent(reason)


async def test_a_case_that_is_no_longer_kept_is_said() -> None:
    office = Office()
    pending = a_pending(decided(a_decision(a_case())))
    told = await office._telling.tell(pending, Material(None, None), NOW)
    assert told.outcome == Permanent("case_gone")
    assert told.message_id == f"<{pending.notice_id}@mandaat.example>"


async def test_the_webhook_gets_the_event_byte_for_byte_under_the_id_of_the_notice() -> None:
    office, event = Office(), decided(a_decision(a_case()))
    told = await office.tell(event, "webhook", None)
    assert office.webhooks.kept == [(told.message_id, event.to_bytes())]


async def test_the_webhook_needs_no_case() -> None:
    office, event = Office(), decided(a_decision(a_case(), "withdrawn"))
    told = await office._telling.tell(
        a_pending(event, "webhook", None), Material(None, event.to_bytes()), NOW
    )
    assert told.outcome == Delivered()


async def test_a_withdrawal_waits_for_no_words() -> None:
    event = decided(a_decision(a_case(), "withdrawn", by="person", decided_by="agent-02"))
    assert await Office(a_member("agent-01")).outcome(event, "agent", "agent-01", note=None) == Delivered()


async def test_a_colleague_waits_a_moment_for_the_words_of_the_verdict_and_a_customer_does_not() -> None:
    event = decided(a_decision(a_case(), "refused", by="person", decided_by="lead-01"))
    office = Office(a_member("agent-01"))
    assert await office.outcome(event, "agent", "agent-01", note=None) == Passing("awaits_note")
    assert await office.outcome(event, note=None) == Delivered()
    tried = {"note": None, "attempts": NOTE_TRIES + 1}
    assert await office.outcome(event, "agent", "agent-01", **tried) == Delivered()


async def test_every_copy_of_a_notice_is_the_same_mail() -> None:
    office = Office(a_member("lead-01"))
    event = about_approval(types.APPROVAL_REQUESTED, an_approval(a_case(), "lead-01"))
    for _ in range(2):
        await office.tell(event, "approver", "lead-01")
    assert office.mail.kept[0] == office.mail.kept[1]
