"""What people get when something was decided."""

from __future__ import annotations

from collections.abc import Callable

from deploy.local.sinks.mail import KeptMail
from deploy.local.sinks.webhook import KeptWebhook
from deploy.local.stack import Stack
from schemas import types
from tests.telling_events import Journal, a_case, a_decision, a_member, about_approval, an_approval, decided
from tests.waiting import eventually

Mails = Callable[[], list[KeptMail]]
Webhooks = Callable[[], list[KeptWebhook]]


async def test_customer_agent_approver_and_webhook_hear_of_an_escalation(
    notifier: Stack, journal: Journal, mark: str, mails: Mails, webhooks: Webhooks
) -> None:
    agent, lead = f"agent-{mark}", f"lead-{mark}"
    case = a_case(f"c/{mark} é", email=f"cu-{mark}@example.org", agent_id=agent)
    await journal.hire(a_member(agent), a_member(lead, role="team_lead", language="en"))
    await journal.submit(case)
    await journal.settle(
        decided(a_decision(case, "escalated")),
        about_approval(types.APPROVAL_REQUESTED, an_approval(case, lead)),
    )
    await eventually(lambda: len(mails()) >= 3 and webhooks(), seconds=20)
    subjects = {mail.to[0]: mail.subject for mail in mails()}
    assert subjects == {
        f"cu-{mark}@example.org": "Wij kijken naar uw verzoek: parcel six days late",
        f"{agent}@example.org": f"Doorgegeven: terugbetaling, €\u00a045,00 (zaak c/{mark} é)",
        f"{lead}@example.org": f"Your decision is asked: refund, €45.00 (case c/{mark} é)",
    }
    assert [one.refusal for one in webhooks()] == [None]
