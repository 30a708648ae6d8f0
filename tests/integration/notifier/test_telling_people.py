"""The messages that people get about decisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from deploy.local.access import senders_file, webhooks_file
from deploy.local.sinks.mail import KeptMail
from deploy.local.sinks.webhook import KeptWebhook
from deploy.local.stack import Stack
from schemas import topics, types
from schemas.case import Case
from schemas.policy_record import PolicyRecord
from schemas.withdrawal import WITHDRAWN
from tests.builders.approvals import a_closed_approval, an_approval
from tests.builders.cases import a_case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event, an_approval_event
from tests.builders.staff import a_member
from tests.publishing import Publisher
from tests.topic_watcher import TopicWatcher
from tests.waiting import eventually

Mails = Callable[[], list[KeptMail]]
Webhooks = Callable[[], list[KeptWebhook]]
Watch = Callable[..., AbstractAsyncContextManager[TopicWatcher]]
Ask = Callable[..., httpx.Response]


def a_marked_case(mark: str, number: int | str = 1, **changes: Any) -> Case:
    """A case of this test, of an agent who is not in the staff."""
    fields = {"email": f"cu-{mark}-{number}@example.org", "agent_id": f"nobody-{mark}"}
    return a_case(f"c-{mark}-{number}", **fields | changes)


def ended(number: int) -> Callable[[TopicWatcher], bool]:
    """Whether so many notices have ended."""
    return lambda watcher: sum(len(one) for one in watcher.ended_notices().values()) >= number


def reasons(watcher: TopicWatcher) -> dict[str, str | None]:
    """Audience -> why it failed, None where it was delivered."""
    notices = [one.event["data"] for one in watcher.seen if one.type.startswith("notice.")]
    return {notice["audience"]: notice["reason"] for notice in notices}


async def test_customer_agent_approver_and_webhook_are_told_of_an_escalation(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, webhooks: Webhooks
) -> None:
    agent, lead = f"agent-{mark}", f"lead-{mark}"
    case = a_case(f"c/{mark} é", email=f"cu-{mark}@example.org", agent_id=agent)
    await journal.hire(a_member(agent), a_member(lead, role="team_lead", language="en"))
    await journal.submit(case)
    await journal.settle(
        a_decision_event(a_decision(case, "escalated")),
        an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, lead)),
    )
    await eventually(lambda: len(mails()) >= 3 and webhooks(), seconds=20)
    subjects = {mail.to[0]: mail.subject for mail in mails()}
    assert subjects == {
        f"cu-{mark}@example.org": "Wij kijken naar uw verzoek: parcel six days late",
        f"{agent}@example.org": f"Doorgezet: terugbetaling, €\u00a045,00 (zaak c/{mark} é)",
        f"{lead}@example.org": f"Your decision is needed: refund, €45.00 (case c/{mark} é)",
    }
    assert [one.refusal for one in webhooks()] == [None]


async def test_customer_agent_and_approver_are_told_of_the_verdict_and_only_colleagues_read_its_remark(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    agent, lead = f"agent-{mark}", f"lead-{mark}"
    case = a_marked_case(mark, agent_id=agent)
    await journal.hire(a_member(agent), a_member(lead, role="team_lead"))
    await journal.submit(case)
    await journal.settle(
        a_decision_event(a_decision(case, "escalated")),
        an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, lead)),
        a_decision_event(a_decision(case, "refused", by="person", decided_by=lead, note="had one last week")),
        an_approval_event(
            types.APPROVAL_CLOSED,
            a_closed_approval(case, lead, by=lead, outcome="refused"),
            giver=lead,
            reply_id="x",
            note="had one last week",
        ),
    )
    await eventually(lambda: len(mails()) >= 6, seconds=20)
    told = {mail.to[0]: mail for mail in mails() if "Afgewezen" in mail.subject or "Over uw" in mail.subject}
    texts = {to: (notifier.mail_folder / mail.file).read_text() for to, mail in told.items()}
    assert len(texts) == 3
    assert {to for to, text in texts.items() if "had one last week" in text} == {
        f"{agent}@example.org",
        f"{lead}@example.org",
    }


async def test_a_withdrawal_is_told_to_customer_and_agent_and_to_approvers_only_while_they_are_asked(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    agent, lead = f"agent-{mark}", f"lead-{mark}"
    waiting, settled = (a_marked_case(mark, number, agent_id=agent) for number in (1, 2))
    await journal.hire(a_member(agent), a_member(lead, role="team_lead"))
    await journal.submit(waiting, settled)
    for case in (waiting, settled):
        await journal.settle(
            a_decision_event(a_decision(case, "escalated")),
            an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, lead)),
        )
    await journal.settle(
        a_decision_event(a_decision(settled, by="person", decided_by=lead)),
        an_approval_event(
            types.APPROVAL_CLOSED, a_closed_approval(settled, lead, by=lead), giver=lead, reply_id="x"
        ),
    )
    withdrawn: dict[str, Any] = {"by": "person", "decided_by": agent}
    await journal.settle(
        a_decision_event(a_decision(waiting, "withdrawn", **withdrawn)),
        an_approval_event(
            types.APPROVAL_CLOSED, a_closed_approval(waiting, lead, by=agent, outcome="withdrawn")
        ),
        a_decision_event(a_decision(settled, "withdrawn", **withdrawn)),
    )
    await eventually(lambda: len(mails()) >= 14, seconds=20)
    told = [mail.to[0] for mail in mails() if "ngetrokken" in mail.subject]
    assert sorted(told) == sorted(
        [f"cu-{mark}-{number}@example.org" for number in (1, 2)]
        + [f"{agent}@example.org", f"{agent}@example.org", f"{lead}@example.org"]
    )


async def test_a_withdrawal_before_its_request_is_told_to_the_webhook_and_later_to_the_others(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    case = a_marked_case(mark)
    early = a_decision_event(
        a_decision(case, "withdrawn", customer_id=None, agent_id=None, request_digest=WITHDRAWN)
    )
    async with watcher(case.case_id) as watching:
        await journal.settle(early)
        await watching.wait_until(ended(1), seconds=20, what="the webhook told")
        assert reasons(watching) == {"webhook": None}
        await journal.submit(case)
        await journal.settle(early)
        await watching.wait_until(ended(3), seconds=20, what="customer and agent told")
        assert reasons(watching) == {"webhook": None, "customer": None, "agent": "unknown_person"}
        assert not [one for one in watching.seen if one.record.topic == topics.DEAD_LETTERS]
    assert [mail.to[0] for mail in mails()] == [case.customer.email]


async def test_a_repeated_event_tells_nobody_twice(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    case, other = a_marked_case(mark), a_marked_case(mark, 2)
    event = a_decision_event(a_decision(case))
    await journal.submit(case, other)
    await journal.settle(event, event)
    await journal.settle(event, a_decision_event(a_decision(other)))
    async with watcher(case.case_id, other.case_id) as watching:
        await watching.wait_until(ended(6), seconds=20, what="both told")
    assert sorted(mail.to[0] for mail in mails()) == sorted(str(one.customer.email) for one in (case, other))


async def test_a_wrong_address_blocks_nobody_else_and_ends_as_failed(
    notifier: Stack, journal: Publisher, mark: str, watcher: Watch
) -> None:
    refused = a_marked_case(mark, 1, email=f"cu-{mark}@refused.example")
    missing = a_marked_case(mark, 2, email=None)
    nonsense = a_marked_case(mark, 3, email="not an address")
    await journal.submit(refused, missing, nonsense)
    await journal.settle(*(a_decision_event(a_decision(case)) for case in (refused, missing, nonsense)))
    async with watcher(refused.case_id, missing.case_id, nonsense.case_id) as watching:
        await watching.wait_until(ended(9), seconds=20, what="nine notices ended")
        why = {
            (one.case_id, one.event["data"]["audience"]): one.event["data"]["reason"] for one in watching.seen
        }
    assert why[refused.case_id, "customer"] == "smtp_refused: 550 5.1.1"
    assert why[missing.case_id, "customer"] == "no_address"
    assert why[nonsense.case_id, "customer"] == "bad_address"
    assert {why[case.case_id, "agent"] for case in (refused, missing, nonsense)} == {"unknown_person"}
    assert {why[case.case_id, "webhook"] for case in (refused, missing, nonsense)} == {None}


async def test_mail_names_a_kind_by_the_label_in_the_published_policy(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    tenant, agent = f"t-{mark}", f"agent-{mark}"
    policy = json.dumps({"kinds": {"refund": {"nl": "geld terug <3"}}})
    record = PolicyRecord(name=tenant, version="1", digest="d" * 64, yaml="", canonical_json=policy)
    await journal.hire(a_member(agent, tenant=tenant))
    await journal.put(topics.POLICIES, 0, b"\x00", b"other")
    await journal.put(topics.POLICIES, 0, record.model_dump_json().encode(), tenant.encode())
    numbers = count()

    async def is_labelled() -> bool:
        case = a_marked_case(mark, next(numbers), agent_id=agent, tenant=tenant)
        await journal.submit(case)
        await journal.settle(a_decision_event(a_decision(case), tenant=tenant))
        return any(mail.subject.startswith("Goedgekeurd: geld terug <3, ") for mail in mails())

    await eventually(is_labelled, seconds=20)


async def test_a_webhook_that_is_added_while_the_notifier_runs_gets_posts(
    notifier: Stack, journal: Publisher, mark: str, webhooks: Webhooks
) -> None:
    tenant, path = f"t-{mark}", webhooks_file(notifier.state)
    lines = path.read_text()
    added = json.loads(lines.splitlines()[0]) | {"tenant": tenant}
    numbers = count()

    async def is_told() -> bool:
        case = a_marked_case(mark, next(numbers), tenant=tenant)
        await journal.submit(case)
        await journal.settle(a_decision_event(a_decision(case), tenant=tenant))
        return bool(webhooks())

    try:
        put_in_place(path, lines + json.dumps(added) + "\n")
        await eventually(is_told, seconds=30)
    finally:
        put_in_place(path, lines)


async def test_mail_comes_from_its_tenants_own_sender_with_its_logo_in_the_mail(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    tenant, path = f"t-{mark}", senders_file(notifier.state)
    own = {"tenant": tenant, "from": "zorg@faß.example", "name": "Acme, Zorg", "logo": f"{mark}.png"}
    (path.parent / own["logo"]).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    numbers = count()

    async def sender_is_used() -> KeptMail | None:
        case = a_marked_case(mark, next(numbers), tenant=tenant)
        await journal.submit(case)
        await journal.settle(a_decision_event(a_decision(case), tenant=tenant))
        return next((mail for mail in mails() if b"zorg@xn--fa-hia.example" in content(mail)), None)

    def content(mail: KeptMail) -> bytes:
        return (notifier.mail_folder / mail.file).read_bytes()

    try:
        put_in_place(path, json.dumps(own) + "\n")
        kept = await eventually(sender_is_used, seconds=30)
    finally:
        put_in_place(path, "")
    mail = message_from_bytes(content(kept), policy=default)
    assert mail["From"] == '"Acme, Zorg" <zorg@xn--fa-hia.example>'
    assert mail["Message-ID"].endswith("@example.com>"), "of the usual sender"
    html = mail.get_body(("html",))
    assert html is not None
    assert 'src="cid:logo@mandaat"' in html.get_content()
    picture = next(part for part in mail.walk() if part["Content-ID"] == "<logo@mandaat>")
    assert picture.get_content().endswith(bytes(range(256)))


def put_in_place(path: Path, text: str) -> None:
    """Put a file there in one step, as operators should."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)


async def test_mail_goes_to_the_domain_that_its_letters_name_and_not_to_one_that_looks_like_it(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    sharp = a_marked_case(mark, 1, email=f"cu-{mark}-1@straße.example")
    wide = a_marked_case(mark, 2, email=f"cu-{mark}-2@ｆａß.exam\u00adple")
    broken = a_marked_case(mark, 3, email=f"cu-{mark}-3@xn--zzzzzz.example")
    await journal.submit(sharp, wide, broken)
    await journal.settle(*(a_decision_event(a_decision(case)) for case in (sharp, wide, broken)))
    async with watcher(sharp.case_id, wide.case_id, broken.case_id) as watching:
        await watching.wait_until(ended(9), seconds=20, what="nine notices ended")
    assert sorted(mail.to[0] for mail in mails()) == [
        f"cu-{mark}-1@xn--strae-oqa.example",
        f"cu-{mark}-2@xn--fa-hia.example",
    ]
    assert "bad_address" in [
        one.event["data"]["reason"] for one in watching.seen if one.case_id == broken.case_id
    ]


async def test_a_decision_whose_case_nobody_submitted_is_a_dead_letter(
    notifier: Stack, journal: Publisher, mark: str, watcher: Watch
) -> None:
    unknown, known = a_marked_case(mark, "unknown"), a_marked_case(mark, "known")
    await journal.submit(known)
    await journal.settle(a_decision_event(a_decision(unknown)), a_decision_event(a_decision(known)))
    async with watcher(unknown.case_id, known.case_id) as watching:
        await watching.wait_until(ended(3), seconds=20, what="the known one told")
        await watching.wait_until(
            lambda one: any(seen.record.topic == topics.DEAD_LETTERS for seen in one.seen),
            seconds=20,
            what="a dead letter",
        )
    letters = [seen for seen in watching.seen if seen.record.topic == topics.DEAD_LETTERS]
    assert [(one.case_id, dict(one.record.headers)["mandaat-reason"]) for one in letters] == [
        (unknown.case_id, b"unknown_case")
    ]


async def test_unreadable_records_and_unknown_events_hold_nothing_up(
    notifier: Stack, journal: Publisher, mark: str, watcher: Watch
) -> None:
    case = a_marked_case(mark)
    p = journal.partition_of(case.tenant, case.case_id)
    await journal.submit(case)
    for topic in (topics.CASES, topics.DECISIONS):
        await journal.put(topic, p, b"{not json " + mark.encode())
        await journal.put(topic, p, None, key=mark.encode())
        await journal.put(topic, p, b'{"type": "mandaat.ledger.marked.v1", "data": {"partition": 0}}')
        await journal.put(topic, p, b'{"type": "mandaat.something.new.v9"}')
    await journal.settle(a_decision_event(a_decision(case)))
    async with watcher(case.case_id) as watching:
        await watching.wait_until(ended(3), seconds=20, what="told all the same")


async def test_the_mail_does_not_go_to_the_address_of_a_conflicting_submission(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails
) -> None:
    case = a_marked_case(mark)
    thief = a_marked_case(mark, email=f"thief-{mark}@example.org", amount="46.00")
    await journal.submit(thief, case, thief)
    await journal.settle(a_decision_event(a_decision(case)))
    await eventually(mails, seconds=20)
    assert [mail.to for mail in mails()] == [(case.customer.email,)]


async def test_nobody_is_told_of_an_event_older_than_a_week(
    notifier: Stack, journal: Publisher, mark: str, mails: Mails, watcher: Watch
) -> None:
    week, fortnight, now = (
        a_marked_case(mark, "week"),
        a_marked_case(mark, "fortnight"),
        a_marked_case(mark, "now"),
    )
    await journal.submit(week, fortnight, now)
    days = datetime.now(UTC) - timedelta(days=8), datetime.now(UTC) - timedelta(days=15)
    await journal.settle(
        a_decision_event(a_decision(week), at=days[0]),
        a_decision_event(a_decision(fortnight), at=days[1]),
        a_decision_event(a_decision(now)),
    )
    async with watcher(week.case_id, fortnight.case_id, now.case_id) as watching:
        await watching.wait_until(ended(6), seconds=20, what="six notices ended")
        told = watching.ended_notices()
    assert [mail.to[0] for mail in mails()] == [now.customer.email]
    assert {how for *_, how in told[week.case_id]} == {"notice.failed"}
    assert fortnight.case_id not in told


async def test_the_notifier_shows_where_a_case_stands(
    notifier: Stack, journal: Publisher, mark: str, ask: Ask
) -> None:
    case = a_marked_case(f"{mark}/%2F é?#", email=f"cu-{mark}@example.org")
    decision = a_decision(case, "escalated")
    await journal.submit(case)
    await journal.settle(
        a_decision_event(decision),
        an_approval_event(types.APPROVAL_REQUESTED, an_approval(case, f"lead-{mark}")),
    )
    await eventually(
        lambda: ask(case.case_id).status_code == 200 and len(ask(case.case_id).json()["notices"]) == 4,
        seconds=20,
    )
    shown = ask(case.case_id).json()
    assert shown["case"]["customer"]["email"] == case.customer.email
    (request,) = shown["requests"]
    assert request["request_id"] == "r1"
    assert [one["decision_id"] for one in request["decisions"]] == [decision.decision_id]
    assert request["approval"]["state"] == "open"
    assert {one["audience"] for one in shown["notices"]} == {"customer", "agent", "webhook", "approver"}


async def test_a_case_of_another_tenant_is_not_found(
    notifier: Stack, journal: Publisher, mark: str, ask: Ask
) -> None:
    case = a_marked_case(mark)
    await journal.submit(case)
    await eventually(lambda: ask(case.case_id).status_code == 200, seconds=20)
    assert ask(case.case_id, tenant="retail").status_code == 404
    assert ask("c-never").status_code == 404
    assert ask(case.case_id, key="guessed").status_code == 401
