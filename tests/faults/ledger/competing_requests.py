"""Requests that compete for tight budgets: the records and their order, made from a seed. Values only."""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

TEAMS = {"north": 4, "south": 4, "east": 4}
FIRST_DAY = datetime(2026, 3, 16, tzinfo=UTC)
"""The clock of Amsterdam changes within two weeks of this day."""
SHARES = (("refund", 0.6), ("gesture", 0.25), ("flowers", 0.15))
WITHDRAWN, OTHER_AMOUNT, UNKNOWN_WITHDRAWN = 0.2, 0.01, 0.01
COPIES = 3


class Message(NamedTuple):
    """One record to send, as intake does."""

    key: bytes
    value: bytes


@dataclass(frozen=True)
class CompetingRequests:
    """`number` requests of a tenant, each sent three times, one in five withdrawn, from a seed.

    Budgets take about two fifths of what is asked: per agent and day, per team and week (a count), per
    customer and thirty days, and for the tenant a month, beside the leads' own.
    """

    tenant: str
    number: int
    seed: int = 1
    span: int | None = None

    @property
    def days(self) -> int:
        """The number of days of the requests: `span`, or as many as give each agent several a day."""
        return self.span or max(3, min(40, self.number // 100))

    @property
    def customers(self) -> int:
        """The number of customers, so that each asks often."""
        return max(4, self.number // 40)

    @cached_property
    def agents(self) -> dict[str, str]:
        """Agent -> team."""
        return {f"agent-{team}-{n}": team for team, many in TEAMS.items() for n in range(many)}

    def staff(self) -> Iterator[dict[str, Any]]:
        """The records of the staff: agents, and a lead in each team."""
        people = [(agent, "agent", team) for agent, team in self.agents.items()]
        people += [(f"lead-{team}", "team_lead", team) for team in TEAMS]
        for agent_id, role, team in people:
            yield {"agent_id": agent_id, "tenant": self.tenant, "name": agent_id, "role": role, "team": team}

    def policy(self, version: str = "1", *, share: float = 0.4) -> dict[str, Any]:
        """The policy, whose budgets hold this share of the requested amounts."""
        refunds = 22 * 0.6 * self.number
        month = 30 / max(self.days, 30)
        return {
            "policy": self.tenant,
            "version": version,
            "currency": "EUR",
            "timezone": "Europe/Amsterdam",
            "roles": {"agent": {}, "team_lead": {"extends": "agent"}},
            "budgets": {
                "agent-day": _money("agent", "day", share * refunds / len(self.agents) / self.days),
                "team-week": {
                    "per": "team",
                    "window": "week",
                    "count": max(2, round(share * 0.4 * self.number / len(TEAMS) / (self.days / 7 + 1))),
                },
                "customer-30d": _money("customer", "30d", share * refunds / self.customers * month),
                "tenant-month": _money("tenant", "month", share * refunds / 4 * month),
                "lead-month": _money("agent", "month", share * refunds / 2 / len(TEAMS) * month),
            },
            "mandates": [
                {
                    "id": "small",
                    "grants": "refund",
                    "to": "agent",
                    "limit": 40,
                    "budgets": ["agent-day", "customer-30d"],
                },
                {
                    "id": "spare",
                    "grants": "refund",
                    "to": "agent",
                    "limit": 20,
                    "budgets": ["tenant-month"],
                },
                {"id": "kind", "grants": ["gesture", "flowers"], "to": "agent", "budgets": ["team-week"]},
                {"id": "lead", "grants": "*", "to": "team_lead", "limit": 500, "budgets": ["lead-month"]},
            ],
            "escalation": [{"id": "default", "steps": [{"to": "team_lead"}]}],
        }

    def messages(self) -> list[Message]:
        """Everything for mandaat.cases, in order."""
        dice = random.Random(self.seed)
        placed: list[tuple[float, int, Message]] = []
        for n in range(self.number):
            placed += ((place, len(placed) + more, message) for more, (place, message) in
                       enumerate(self._of_one(n, dice)))  # fmt: skip
        return [message for *_, message in sorted(placed, key=lambda one: one[:2])]

    def _of_one(self, n: int, dice: random.Random) -> Iterator[tuple[float, Message]]:
        case = self._case(n, dice)
        moment = FIRST_DAY + timedelta(days=dice.uniform(0, self.days))
        near, far = max(20, self.number // 50), max(60, self.number // 5)
        if dice.random() < UNKNOWN_WITHDRAWN:
            yield n - 0.5, self.withdrawal(case, moment)
        for copy, place in enumerate((n, n + dice.uniform(0, near), n + dice.uniform(0, far))):
            said = case
            if copy and dice.random() < OTHER_AMOUNT * COPIES / (COPIES - 1):
                said = {**case, "request": {**case["request"], "amount": "39.99", "currency": "EUR"}}
            yield place, self.submission(said, moment + timedelta(minutes=copy), f"{n}-{copy}")
        if dice.random() < WITHDRAWN:
            message = self.withdrawal(case, moment)
            yield n + dice.uniform(0, far), message
            if dice.random() < 0.3:
                yield n + far, message

    def case(self, case_id: str, request: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        """A case of the first agent and customer, unless `changes` says otherwise."""
        return {
            "case_id": case_id,
            "tenant": self.tenant,
            "opened_at": "2026-03-16T08:00:00Z",
            "customer": {"id": "cu-0", "language": "nl"},
            "agent_id": next(iter(self.agents)),
            "category": "delivery",
            "facts": {},
            "request": {"request_id": "r1", **request},
        } | changes

    def cases(self) -> list[dict[str, Any]]:
        """Each case once, as a caller would send it."""
        dice = random.Random(self.seed)
        return [self._case(n, dice) for n in range(self.number)]

    def _case(self, n: int, dice: random.Random) -> dict[str, Any]:
        (kind,) = dice.choices([kind for kind, _ in SHARES], [share for _, share in SHARES])
        amount = None if kind == "flowers" else f"{dice.randint(400, 4000) / 100:.2f}"
        # Some cases hold two requests.
        case_id, request_id = (f"c-{n - 1}", "r2") if n % 10 == 9 else (f"c-{n}", "r1")
        request: dict[str, Any] = {"request_id": request_id, "kind": kind, "reason": "late"}
        if amount is not None:
            request |= {"amount": amount, "currency": "EUR"}
        return self.case(
            case_id,
            request,
            customer={"id": f"cu-{dice.randrange(self.customers)}", "language": "nl"},
            agent_id=dice.choice(list(self.agents)),
            facts={"days_late": dice.randrange(9)},
        )

    def submission(self, case: Mapping[str, Any], moment: datetime, number: str) -> Message:
        """The record of a case."""
        return self._message("case.submitted", case["case_id"], moment, f"s-{self.seed}-{number}", case)

    def withdrawal(self, case: Mapping[str, Any], moment: datetime) -> Message:
        """The record that withdraws its request."""
        about = {
            "tenant": self.tenant,
            "case_id": case["case_id"],
            "request_id": case["request"]["request_id"],
        }
        number = f"w-{self.seed}-{case['case_id']}-{about['request_id']}"
        return self._message("case.withdrawn", case["case_id"], moment, number, about)

    def answers(self, approval: Mapping[str, Any]) -> list[Message]:
        """The replies to an approval. They are always the same; a fifth of the approvals stay open."""
        case_id, request_id = approval["case_id"], approval["request_id"]
        dice = random.Random(f"{self.seed}/{case_id}/{request_id}")
        giver = next(iter(approval["approvers"]), "lead-north")
        moment = FIRST_DAY + timedelta(days=dice.uniform(0, self.days))
        said: dict[str, Any] = {"agent_id": giver, "reply_id": "reply-1"}
        kind = dice.choices(["approve", "reject", "less", "nothing"], [5, 2, 1, 2])[0]
        if kind == "nothing":
            return []
        if kind == "less":
            said["amount"] = "3.00"
        first = self.reply("reject" if kind == "reject" else "approve", case_id, request_id, said, moment)
        replies = [first]
        if dice.random() < 0.2:
            replies.append(first)
        if dice.random() < 0.1:
            replies.append(self.reply("reject", case_id, request_id, {**said, "reply_id": "reply-2"}, moment))
        return replies

    def reply(
        self, verdict: str, case_id: str, request_id: str, said: dict[str, Any], moment: datetime
    ) -> Message:
        """The record of a verdict."""
        approval = urlsafe_b64encode(f"{case_id}\0{request_id}".encode()).decode().rstrip("=")
        data = {"approval_id": f"apr_{approval}", "case_id": case_id, "request_id": request_id, **said}
        if verdict == "reject":
            data.pop("amount", None)
        number = f"v-{self.seed}-{case_id}-{request_id}-{said['reply_id']}"
        return self._message(f"verdict.{verdict}", case_id, moment, number, data)

    def _message(
        self, kind: str, case_id: str, moment: datetime, number: str, data: Mapping[str, Any]
    ) -> Message:
        event = {
            "specversion": "1.0",
            "id": number,
            "source": "/mandaat/intake",
            "type": f"mandaat.{kind}.v1",
            "subject": case_id,
            "time": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "tenant": self.tenant,
            "data": data,
        }
        return Message(f"{self.tenant}/{case_id}".encode(), json.dumps(event).encode())


def _money(per: str, window: str, cap: float) -> dict[str, Any]:
    return {"per": per, "window": window, "cap": max(30, round(cap))}
