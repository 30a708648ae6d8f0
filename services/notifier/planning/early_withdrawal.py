"""A withdrawal that came before its request: whose request it is shows only when that comes, if it ever does.

Rules then answers the request, whatever its content, with the same withdrawal (LEDGER.md, Intake and
notifier). So the first time only the webhook can be told, and later customer and agent too.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.case import Case
from schemas.decision import Decision
from schemas.request_digest import request_digest
from schemas.withdrawal import WITHDRAWN
from services.notifier.planning.reading import DecisionEvent
from services.notifier.planning.recipients import Event


def came_first(event: Event) -> bool:
    """Whether the event withdraws a request that rules had not seen."""
    return isinstance(event.data, Decision) and event.data.request_digest == WITHDRAWN


def of_request(seen: DecisionEvent, case: Case) -> DecisionEvent:
    """Such a withdrawal, with whose request it turned out to be."""
    about = {
        "customer_id": case.customer.id,
        "agent_id": case.agent_id,
        "request_digest": request_digest(case),
    }
    data = seen.event.data.model_copy(update=about)
    return replace(seen, event=seen.event.model_copy(update={"data": data}))
