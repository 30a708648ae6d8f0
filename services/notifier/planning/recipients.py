"""The people who are told of each kind of event, and their channels (docs/notices.md, Who is told)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.approval import ApprovalEvent
from schemas.decision import BudgetWarning, Decision
from schemas.notice import Audience, ChannelName

CHANNELS: Final[Mapping[Audience, tuple[ChannelName, ...]]] = {
    "customer": ("mail",),
    "agent": ("mail",),
    "approver": ("mail",),
    "giver": ("mail",),
    "lead": ("mail",),
    "webhook": ("webhook",),
}
"""The channels over which an audience is told, where they serve its tenant."""


class Party(NamedTuple):
    """Somebody who is told of an event. `person` is None for a tenant's webhook.

    `counter`: the budget of a warning, with its window and scope; None for all else.
    """

    audience: Audience
    person: str | None
    counter: str | None = None


def of_decision(decision: Decision, _approvers: Sequence[str]) -> Iterator[Party]:
    """The customer, the agent and the tenant's webhook."""
    if decision.customer_id is not None:
        yield Party("customer", decision.customer_id)
    if decision.agent_id is not None:
        yield Party("agent", decision.agent_id)
    yield Party("webhook", None)


def of_final_decision(decision: Decision, approvers: Sequence[str]) -> Iterator[Party]:
    """Those, and the approvers who were still asked."""
    yield from of_decision(decision, approvers)
    for person in approvers:
        if person != decision.agent_id:
            yield Party("approver", person)


def of_approved_decision(decision: Decision, approvers: Sequence[str]) -> Iterator[Party]:
    """Those, and for each budget that is nearly used up the people whom rules names."""
    yield from of_final_decision(decision, approvers)
    for warning in decision.warnings or ():
        for person in warning.leads:
            yield Party("lead", person, counter_of(warning))


def counter_of(warning: BudgetWarning) -> str:
    """The budget of a warning, with its window and scope."""
    return f"{warning.budget}|{warning.window}|{warning.scope}"


def of_open_approval(event: ApprovalEvent, _approvers: Sequence[str]) -> Iterator[Party]:
    """The approvers who are asked."""
    for person in event.approval.approvers:
        yield Party("approver", person)


def of_uncounted_verdict(event: ApprovalEvent, _approvers: Sequence[str]) -> Iterator[Party]:
    """The person who gave it, and the tenant's webhook."""
    if event.giver is not None:
        yield Party("giver", event.giver)
    yield Party("webhook", None)


def nobody(_event: object, _approvers: Sequence[str]) -> Iterator[Party]:
    """Nobody."""
    yield from ()
