"""Cases as intake publishes them: the retail cases, any number of times, under other ids."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple

from deploy.local.stack import SIZES
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import record_key
from schemas.types import CASE_SUBMITTED
from services.chassis.kafka.producer import partition_for
from tests.retail_cases import RETAIL, expected_outcomes

MARK: Final = "~mark~"
"""The mark in a template for the number of a copy: in the ids of event, case and customer."""
_TIME: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_numbers = count(1)
_RUN: Final = secrets.token_hex(4)
BUDGETS: Final = """\
budgets:
  agent-day: {per: agent, window: day, cap: 1000000000}
  customer-month: {per: customer, window: month, count: 20}
"""


class Submitted(NamedTuple):
    """A record for mandaat.cases, and its expected outcome."""

    partition: int
    key: bytes
    value: bytes
    case_id: str
    outcome: str


class Template(NamedTuple):
    """A case that can be copied under any number of ids."""

    tenant: str
    case_id: str
    value: bytes
    outcome: str

    @property
    def key(self) -> bytes:
        """The key of its record."""
        return record_key(self.tenant, self.case_id).encode()

    def again(self) -> Submitted:
        """This case, of another customer, under an id that was never used in this process."""
        number = f"~{_RUN}{next(_numbers)}"
        case_id = self.case_id.replace(MARK, number)
        key = record_key(self.tenant, case_id).encode()
        value = self.value.replace(MARK.encode(), number.encode())
        return Submitted(partition_for(key, SIZES.partitions), key, value, case_id, self.outcome)


def template(case: dict[str, Any], outcome: str) -> Template:
    """The case as intake publishes it."""
    case = json.loads(json.dumps(case))
    case["case_id"] += MARK
    case["customer"]["id"] += MARK
    data = Case.model_validate_json(json.dumps(case))
    event = CloudEvent[Case](
        id=f"{data.case_id}-{data.request.request_id}",
        source="/mandaat/intake",
        type=CASE_SUBMITTED,
        subject=data.case_id,
        time=_TIME,
        datacontenttype="application/json",
        tenant=data.tenant,
        data=data,
    )
    return Template(data.tenant, data.case_id, event.to_bytes(), outcome)


def retail(tenant: str, outcomes: Collection[str] = ("approved", "escalated", "refused")) -> list[Template]:
    """The retail cases with one of these outcomes, for a tenant."""
    expected = expected_outcomes()
    cases = map(json.loads, (RETAIL / "cases.jsonl").read_text().splitlines())
    return [
        template({**one, "tenant": tenant}, expected[one["case_id"]])
        for one in cases
        if expected[one["case_id"]] in outcomes
    ]


def copies(templates: list[Template], number: int) -> list[Submitted]:
    """Copies of the templates in turn."""
    return [templates[n % len(templates)].again() for n in range(number)]


def shop(tenant: str, *, budgets: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """The retail policy and staff for a tenant. `budgets`: two on every mandate, which never run out."""
    policy = (RETAIL / "policy.yaml").read_text().replace("policy: retail", f"policy: {tenant}")
    if budgets:
        policy = policy.replace("mandates:\n", BUDGETS + "mandates:\n").replace(
            "    to: agent\n", "    to: agent\n    budgets: [agent-day, customer-month]\n"
        )
    staff = map(json.loads, (RETAIL / "staff.jsonl").read_text().splitlines())
    return policy, [{**one, "tenant": tenant} for one in staff]
