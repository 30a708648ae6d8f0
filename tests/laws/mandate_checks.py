"""Which mandates of a person grant a request, in the plainest code (docs/policy.md, How a request is judged).

Part of the reference model. It shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.laws.charges import DECIMALS, Charge, Json, local_time, minor_of, renews_at, spent, text_of
from tests.laws.expressions import CONDITIONS, LIMITS, ExpressionFailed, Variables

LARGEST = 10**15
"""The largest amount, in minor units."""


class Reason(NamedTuple):
    """A reason about the mandate or prohibition `of`; code `failed` if it may be either of two errors."""

    code: str
    of: str | None = None
    figures: Json = MappingProxyType({})


def listed(value: Any) -> list[Any]:
    """The value as a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def is_a(policy: Json, role: str | None, other: str) -> bool:
    """Whether a role is the other one, or extends it."""
    if role == other:
        return True
    entry = policy["roles"].get(role) or {}
    return any(is_a(policy, above, other) for above in listed(entry.get("extends")))


def _is_for(row: Json, kinds: str, case: Json) -> bool:
    named = listed(row[kinds])
    of_kind = "*" in named or case["request"]["kind"] in named
    return of_kind and ("categories" not in row or case.get("category") in row["categories"])


def candidates(policy: Json, role: str, case: Json) -> list[Json]:
    """The mandates to try, in order."""
    rows = [
        row
        for row in policy["mandates"]
        if _is_for(row, "grants", case) and any(is_a(policy, role, to) for to in listed(row["to"]))
    ]
    stepping_out = [row for row in rows if "discretion" in row and case["request"].get("discretion")]
    return [row for row in rows if "discretion" not in row] + stepping_out


def budgets_of(policy: Json, row: Json) -> list[tuple[str, Json]]:
    """The budgets of a mandate, with the ids that charges use."""
    return [
        (one, policy["budgets"][one])
        if isinstance(one, str)
        else (f"{row['id']}.{one.get('id', place)}", one)
        for place, one in enumerate(row.get("budgets", ()), 1)
    ]


def _failure(failed: ExpressionFailed, of: str) -> Reason:
    if not failed.sure:
        return Reason("failed", of)
    if failed.missing is None:
        return Reason("condition_error", of)
    return Reason("fact_missing", of, {"fact": failed.missing})


class MandateCheck:
    """The check of one person's mandates for the request of a case, with one amount."""

    def __init__(
        self, policy: Json, charges: Sequence[Charge], case: Json, person: Json | None, now: datetime,
        amount: str | None, why: str | None,
    ) -> None:  # fmt: skip
        self.policy, self.charges, self.case, self.person, self.now = policy, charges, case, person, now
        self.why = why
        self.currency = policy["currency"]
        self.of_case = case["request"].get("currency")
        self.minor = None if amount is None else minor_of(amount, self.of_case or self.currency)
        self.view = Variables(case, person, now, None if amount is None else float(amount))

    def with_amount(self, minor: int) -> MandateCheck:
        """The same check with another amount."""
        amount = text_of(minor, self.currency)
        return MandateCheck(self.policy, self.charges, self.case, self.person, self.now, amount, self.why)

    def prohibitions(self) -> tuple[list[Reason], list[Reason]]:
        """The prohibitions that apply, and those whose condition fails."""
        applying, unjudged = [], []
        role = None if self.person is None else self.person["role"]
        for row in self.policy.get("prohibitions", ()):
            excepted = role is not None and any(
                is_a(self.policy, role, one) for one in listed(row.get("except"))
            )
            if excepted or not _is_for(row, "kinds", self.case):
                continue
            try:
                if CONDITIONS[row.get("when", "true")](self.view):
                    applying.append(Reason("prohibited", row["id"]))
            except ExpressionFailed as failed:
                unjudged.append(_failure(failed, row["id"]))
        return applying, unjudged

    def limit(self, row: Json) -> int | None:
        """The limit in minor units; None if there is none. Raises ExpressionFailed."""
        written = row.get("limit")
        if written is None:
            return None
        if not isinstance(written, str):
            return minor_of(str(written), self.currency)
        worked_out = LIMITS[written](self.view)
        if not isfinite(worked_out):
            raise ExpressionFailed
        rounded = Decimal(repr(worked_out)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
        return int((rounded * 10 ** DECIMALS[self.currency]).to_integral_value(ROUND_FLOOR))

    def charges_of(self, row: Json) -> list[tuple[Charge, int]]:
        """The charges of granting under a mandate, each with its cap."""
        return [
            (Charge(name, one["window"], unit, self._scope(one["per"]), self.at, amount), cap)
            for name, one in budgets_of(self.policy, row)
            for unit, amount, cap in [self._taken(one)]
            if amount
        ]

    @property
    def at(self) -> datetime:
        return local_time(self.policy, self.now)

    def _taken(self, budget: Json) -> tuple[str, int, int]:
        if "count" in budget:
            return "count", 1, budget["count"]
        return self.currency, self.minor or 0, minor_of(str(budget["cap"]), self.currency)

    def _scope(self, per: str) -> str:
        assert self.person is not None
        whose = {
            "agent": self.person["agent_id"],
            "team": self.person["team"],
            "customer": self.case["customer"]["id"],
            "case": self.case["case_id"],
        }
        return "tenant" if per == "tenant" else f"{per}:{whose[per]}"

    def shortfall(self, row: Json, *, of_budgets: bool = True) -> Reason | None:
        """The reason why a mandate does not grant; None if it grants."""
        if of_budgets and "discretion" in row and not (self.why or "").strip():
            return Reason("discretion_needs_reason", row["id"])
        try:
            if not CONDITIONS[row.get("when", "true")](self.view):
                return Reason("condition_not_met", row["id"])
            if self.minor is None:
                of_money = any("cap" in one for _, one in budgets_of(self.policy, row))
                if "limit" in row or of_money:
                    return Reason("amount_missing", row["id"])
            elif (limit := self.limit(row)) is not None and self.minor > limit:
                return Reason("over_limit", row["id"], {"limit": text_of(limit, self.currency)})
        except ExpressionFailed as failed:
            return _failure(failed, row["id"])
        return self._exhausted(row) if of_budgets else None

    def _exhausted(self, row: Json) -> Reason | None:
        for charge, cap in self.charges_of(row):
            used = spent(self.charges, charge)
            if used + charge.amount > cap:
                left: Any = max(0, cap - used)
                if charge.unit != "count":
                    left = text_of(left, self.currency)
                renewed = renews_at(self.policy, self.charges, charge, cap)
                figures = {"budget": charge.budget, "left": left, "renews_at": renewed}
                return Reason("budget_exhausted", row["id"], figures)
        return None

    def on_the_spot(self, rows: Sequence[Json]) -> str | None:
        """The largest amount that one of these mandates would grant now."""
        offers = [offer for row in rows if (offer := self._offer(row)) is not None]
        return text_of(max(offers), self.currency) if offers else None

    def _offer(self, row: Json) -> int | None:
        """The largest granted of at most four amounts. After a granted amount, its limit is tried; after
        another, a lower amount.
        """
        reason = self.shortfall(row)
        offering = ("over_limit", "budget_exhausted", "amount_missing")
        if reason is None or reason.code not in offering:
            return None
        if self.minor is None and reason.code != "amount_missing":
            return None
        asked = LARGEST if self.minor is None else self.minor
        room = asked
        for charge, cap in self.with_amount(asked).charges_of(row):
            left = cap - spent(self.charges, charge)
            room = min(room, left if charge.unit != "count" else room * (left > 0))
        most = 0
        of_amount = "amount" in str(row.get("limit"))
        if self.minor is None and of_amount:
            next_one = room
        else:
            try:
                next_one = min(room, asked if (limit := self.limit(row)) is None else limit)
            except ExpressionFailed:
                return None
        if of_amount:
            next_one = max(next_one, min(room, 1))
        for _ in range(4):
            if next_one <= most:
                break
            offered = self.with_amount(next_one)
            if offered.shortfall(row) is None and offered.prohibitions() == ([], []):
                most, next_one = next_one, room
            else:
                next_one -= 1
            with suppress(ExpressionFailed):
                if (limit := offered.limit(row)) is not None:
                    next_one = min(next_one, limit)
        return most or None
