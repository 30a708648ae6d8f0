"""A request with its decision: the input of an explanation."""

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
    """A request, its decision, and the counters as they were before the decision.

    `decision`: the data of the decision event. `approval`: the approval, if the request was escalated.
    `use_of` reads a counter.
    """

    case: Case
    now: datetime
    book: PolicyBook
    staff: StaffDirectory
    decision: Mapping[str, Any]
    approval: Mapping[str, Any] | None
    use_of: Callable[[Charge], BudgetUse]
