"""A request that was decided, with all that an explanation of it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.case import Case
from services.rules.core.budgets import Charge, Used
from services.rules.core.policy.book import PolicyBook
from services.rules.core.staff import StaffDirectory


@dataclass(frozen=True)
class Hearing:
    """A request, what was decided on it, and the counters as they were before.

    `decision` is the data of decision.*, `approval` the approval of an escalated one, both as JSON says them.
    """

    case: Case
    now: datetime
    book: PolicyBook
    staff: StaffDirectory
    decision: Mapping[str, Any]
    approval: Mapping[str, Any] | None
    look: Callable[[Charge], Used]
