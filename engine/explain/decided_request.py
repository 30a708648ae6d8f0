"""A request that was decided, with all that an explanation of it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.judging.budgets import BudgetUse, Charge
from engine.judging.staff import StaffDirectory
from engine.policy.book import PolicyBook
from schemas.case import Case


@dataclass(frozen=True)
class DecidedRequest:
    """A request, what was decided on it, and the counters as they were before.

    `decision` is the data of decision.*, `approval` the approval of an escalated one, both as JSON says them.
    """

    case: Case
    now: datetime
    book: PolicyBook
    staff: StaffDirectory
    decision: Mapping[str, Any]
    approval: Mapping[str, Any] | None
    look: Callable[[Charge], BudgetUse]
