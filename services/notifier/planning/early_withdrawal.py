"""A withdrawal that came before its request: nobody knows yet whose request it is.

Rules answers the request with the same withdrawal when it comes, whatever its content (docs/ledger.md,
Intake and notifier). So at first only the webhook is told. The customer and the agent are told when the
request has come.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.case import Case
from schemas.decision import Decision
from schemas.request_digest import request_digest
from schemas.withdrawal import WITHDRAWN
from services.notifier.planning.event_kinds import Event
from services.notifier.planning.reading import NotifiableEvent


def came_first(event: Event) -> bool:
    """Whether the event withdraws a request that rules had not seen."""
    return isinstance(event.data, Decision) and event.data.request_digest == WITHDRAWN


def with_request(withdrawal: NotifiableEvent, case: Case) -> NotifiableEvent:
    """Such a withdrawal with the customer, agent and content of its request, as this case has them."""
    update = {
        "customer_id": case.customer.id,
        "agent_id": case.agent_id,
        "request_digest": request_digest(case),
    }
    data = withdrawal.event.data.model_copy(update=update)
    return replace(withdrawal, event=withdrawal.event.model_copy(update={"data": data}))
