"""A tenant whose server hangs leaves room in hand for the others."""

from __future__ import annotations

from services.notifier.channels.outcome import Delivered, Passing
from services.notifier.channels.webhook.channel import WebhookChannel
from services.notifier.outbox.fairness import CROWDED_SECONDS, FAILING_SECONDS, MOST_IN_HAND, ChannelQueue
from services.notifier.outbox.in_hand import ClaimedNotice, NoticesInHand
from tests.builders.cases import a_case
from tests.builders.decisions import a_decision
from tests.builders.events import a_decision_event
from tests.builders.notices import a_pending_notice
from tests.doubles.notifier import FakeWebhooks

EVENT = a_decision_event(a_decision(a_case()))


def claim(in_hand: NoticesInHand, tenant: str, number: int) -> None:
    """So many notices of a tenant come into hand."""
    for n in range(number):
        notice = a_pending_notice(EVENT, "webhook", None, notice_id=f"{tenant}-{n}", tenant=tenant)
        in_hand.add(ClaimedNotice(0, notice, ()))


def test_a_tenant_with_its_share_in_hand_waits_and_another_does_not() -> None:
    in_hand = NoticesInHand()
    queue = ChannelQueue(WebhookChannel(FakeWebhooks(), lambda: ["acme", "other"], concurrency=4), in_hand)
    claim(in_hand, "acme", MOST_IN_HAND // 2 - 1)
    assert queue.pause_seconds("acme") is None
    claim(in_hand, "acme", MOST_IN_HAND // 2)
    assert queue.pause_seconds("acme") == CROWDED_SECONDS
    assert queue.pause_seconds("other") is None
    assert queue.room() == MOST_IN_HAND // 2
    in_hand.release("acme-0")
    assert queue.pause_seconds("acme") is None


def test_a_tenant_whose_last_notice_failed_waits_longer_until_one_is_delivered() -> None:
    in_hand = NoticesInHand()
    queue = ChannelQueue(WebhookChannel(FakeWebhooks(), lambda: ["acme"], concurrency=4), in_hand)
    claim(in_hand, "acme", MOST_IN_HAND)
    queue.learn("acme", Passing("webhook: HTTP 503"))
    assert queue.pause_seconds("acme") == FAILING_SECONDS
    queue.learn("acme", Delivered())
    assert queue.pause_seconds("acme") == CROWDED_SECONDS
