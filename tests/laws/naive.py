"""What a policy says, worked out as plainly as can be: written from DESIGN.md (Policy) alone.

Policies, staff and cases are plain JSON values. Nothing is remembered: of each budget every charge so far is
added up each time. Shares no code with what it is held against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from tests.laws.sayings import CONDITIONS, LIMITS, Failed, View

DECIMALS: Final = {"JPY": 0, "EUR": 2, "USD": 2, "KWD": 3}
Json = Mapping[str, Any]


class Charge(NamedTuple):
    """`amount` (minor units of `unit`, or times where that is `count`) went out of a budget on a day."""

    budget: str
    kind: str
    unit: str
    scope: str
    day: date
    amount: int

    @property
    def window(self) -> str:
        """As events write it."""
        return window(self.kind, self.day)

    @property
    def days(self) -> int:
        """N of `Nd`, else 0."""
        return days_of(self.kind)


class Reason(NamedTuple):
    """`of`: the mandate or prohibition. `code` is `failed` where two errors could each be named."""

    code: str
    of: str | None = None
    figures: Json = MappingProxyType({})


@dataclass(frozen=True)
class Told:
    """A decision, or (for a verdict) that somebody may not give it: outcome `not_entitled`."""

    outcome: str
    by: str | None = None
    mandate: str | None = None
    reasons: Sequence[Reason] = ()
    charges: Sequence[Charge] = ()
    on_the_spot: str | None = None
    step: str | None = None
    approvers: Sequence[str] = ()
    amount: str | None = field(default=None, compare=False)


# Money, windows


def minor_of(text: str, currency: str) -> int:
    """`45.00` EUR is 4500."""
    return int(Decimal(text).scaleb(DECIMALS[currency]))


def text_of(minor: int, currency: str) -> str:
    """4500 EUR is `45.00`."""
    return f"{Decimal(minor).scaleb(-DECIMALS[currency]):.{DECIMALS[currency]}f}"


def days_of(kind: str) -> int:
    """N of `Nd`, else 0."""
    return int(kind[:-1]) if kind[:-1].isdecimal() else 0


def window(kind: str, day: date) -> str:
    """The name of the window that holds the day."""
    form = {"week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}.get(kind, "%Y-%m-%d")
    return day.strftime(form)


def local_day(policy: Json, moment: datetime) -> date:
    """The day it then is where the policy is at home."""
    return moment.astimezone(ZoneInfo(policy.get("timezone", "UTC"))).date()


def spent(charges: Iterable[Charge], like: Charge) -> int:
    """Of its budget, in its window; of `Nd` the most in any run of N days that holds its day."""
    same = [one for one in charges if one[:4] == like[:4]]
    if not like.days:
        return sum(one.amount for one in same if one.window == like.window)
    runs = [like.day - timedelta(days=back) for back in range(like.days)]
    return max(
        sum(one.amount for one in same if first <= one.day < first + timedelta(days=like.days))
        for first in runs
    )


def renews_at(policy: Json, charges: Sequence[Charge], like: Charge, cap: int) -> datetime | None:
    """When the next window begins; of `Nd` the first later day with room for so much, None if never."""
    day = like.day
    if like.days and like.amount > cap:
        return None
    while True:
        day += timedelta(days=1)
        later = like._replace(day=day)
        if spent(charges, later) + like.amount <= cap if like.days else later.window != like.window:
            return _first_moment(policy, day)


def _first_moment(policy: Json, day: date) -> datetime:
    before = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 2 * 86400
    after = before + 4 * 86400
    while after - before > 1:
        middle = (before + after) // 2
        if local_day(policy, datetime.fromtimestamp(middle, UTC)) < day:
            before = middle
        else:
            after = middle
    return datetime.fromtimestamp(after, UTC)


# Roles, people, rows


def listed(value: Any) -> list[Any]:
    """One or a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def is_a(policy: Json, role: str | None, other: str) -> bool:
    """Whether it is this role, or one that extends it."""
    if role == other:
        return True
    entry = policy["roles"].get(role) or {}
    return any(is_a(policy, above, other) for above in listed(entry.get("extends")))


def _is_for(row: Json, kinds: str, case: Json) -> bool:
    named = listed(row[kinds])
    of_kind = "*" in named or case["request"]["kind"] in named
    return of_kind and ("categories" not in row or case.get("category") in row["categories"])


def candidates(policy: Json, role: str, case: Json) -> list[Json]:
    """The mandates to try, in their order."""
    rows = [
        row
        for row in policy["mandates"]
        if _is_for(row, "grants", case) and any(is_a(policy, role, to) for to in listed(row["to"]))
    ]
    stepping_out = [row for row in rows if "discretion" in row and case["request"].get("discretion")]
    return [row for row in rows if "discretion" not in row] + stepping_out


def budgets_of(policy: Json, row: Json) -> list[tuple[str, Json]]:
    """Its budgets, and their ids as charges name them."""
    return [
        (one, policy["budgets"][one])
        if isinstance(one, str)
        else (f"{row['id']}.{one.get('id', place)}", one)
        for place, one in enumerate(row.get("budgets", ()), 1)
    ]


def _failure(failed: Failed, of: str) -> Reason:
    if not failed.sure:
        return Reason("failed", of)
    if failed.missing is None:
        return Reason("condition_error", of)
    return Reason("fact_missing", of, {"fact": failed.missing})


class Hand:
    """One person with one amount, asking for what a case asks or answering it."""

    def __init__(
        self, policy: Json, charges: Sequence[Charge], case: Json, person: Json | None, now: datetime,
        amount: str | None, why: str | None,
    ) -> None:  # fmt: skip
        self.policy, self.charges, self.case, self.person, self.now = policy, charges, case, person, now
        self.why = why
        self.currency = policy["currency"]
        self.of_case = case["request"].get("currency")
        self.minor = None if amount is None else minor_of(amount, self.of_case or self.currency)
        self.view = View(case, person, now, None if amount is None else float(amount))

    def with_amount(self, minor: int) -> Hand:
        """The same, with another amount."""
        amount = text_of(minor, self.currency)
        return Hand(self.policy, self.charges, self.case, self.person, self.now, amount, self.why)

    def prohibitions(self) -> tuple[list[Reason], list[Reason]]:
        """Those that apply, and those that cannot be judged."""
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
            except Failed as failed:
                unjudged.append(_failure(failed, row["id"]))
        return applying, unjudged

    def limit(self, row: Json) -> int | None:
        """In minor units; None = no ceiling. Raises Failed."""
        written = row.get("limit")
        if written is None:
            return None
        if not isinstance(written, str):
            return minor_of(str(written), self.currency)
        worked_out = LIMITS[written](self.view)
        if not isfinite(worked_out):
            raise Failed
        rounded = Decimal(repr(worked_out)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
        return int((rounded * 10 ** DECIMALS[self.currency]).to_integral_value(ROUND_FLOOR))

    def charges_of(self, row: Json) -> list[tuple[Charge, int]]:
        """What granting takes from its budgets, and the cap of each."""
        return [
            (Charge(name, one["window"], unit, self._scope(one["per"]), self.day, amount), cap)
            for name, one in budgets_of(self.policy, row)
            for unit, amount, cap in [self._taken(one)]
            if amount
        ]

    @property
    def day(self) -> date:
        return local_day(self.policy, self.now)

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
        }
        return "tenant" if per == "tenant" else f"{per}:{whose[per]}"

    def shortfall(self, row: Json, *, of_budgets: bool = True) -> Reason | None:
        """The first thing that fails; None where the mandate fits."""
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
        except Failed as failed:
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
        """The largest amount that one of these would grant now."""
        offers = [offer for row in rows if (offer := self._offer(row)) is not None]
        return text_of(max(offers), self.currency) if offers else None

    def _offer(self, row: Json) -> int | None:
        reason = self.shortfall(row)
        if self.minor is None or reason is None or reason.code not in ("over_limit", "budget_exhausted"):
            return None
        limit = self.limit(row)
        most = self.minor if limit is None else min(self.minor, limit)
        for charge, cap in self.charges_of(row):
            room = cap - spent(self.charges, charge)
            if charge.unit != "count":
                most = min(most, room)
        if most <= 0:
            return None
        offered = self.with_amount(most)
        return most if offered.shortfall(row) is None and offered.prohibitions() == ([], []) else None


# Who is asked


class Ladder(NamedTuple):
    """Who may answer a request; `team` is that of the agent who asked, at that moment."""

    policy: Json
    staff: Sequence[Json]
    case: Json
    team: str | None
    now: datetime

    def ask(self) -> tuple[str, list[str]] | None:
        """The step and the people; None where nobody may grant it and the policy wants it refused then."""
        ladder = self.policy["escalation"][0]
        steps = [step["to"] for step in ladder["steps"]]
        of_their_own = [
            step for step in steps if any(self._covers(one, step) for one in self._present(step, None))
        ]
        for step in [*of_their_own, *steps]:
            if able := self._near(step, able=True):
                return step, able
        if ladder.get("when_nobody") == "refuse":
            return None
        return steps[-1], self._near(steps[-1], able=False)

    def may_answer(self, step: str) -> list[str]:
        """The people of that step."""
        if step not in self.policy["roles"]:
            asked = self.ask()
            return [] if asked is None else self.may_answer(asked[0])
        return self._near(step, able=True) or self._near(step, able=False)

    def _near(self, role: str, *, able: bool) -> list[str]:
        for team in (self.team, None) if self.team is not None else (None,):
            present = self._present(role, team)
            if found := sorted(
                one["agent_id"] for one in present if not able or self._covers(one, one["role"])
            ):
                return found
        return []

    def _present(self, role: str, team: str | None) -> list[Json]:
        holders = [
            person
            for person in self.staff
            if is_a(self.policy, person["role"], role) and team in (None, person["team"])
        ]
        present = {one["agent_id"]: one for holder in holders if (one := self._stands_in(holder))}
        present.pop(self.case.get("agent_id"), None)
        return list(present.values())

    def _stands_in(self, person: Json | None) -> Json | None:
        asked: list[str] = []
        while person is not None and person["agent_id"] not in asked:
            away = absence(person, self.now)
            if away is None:
                return person
            asked.append(person["agent_id"])
            person = find(self.staff, away.get("delegate"))
        return None

    def _covers(self, person: Json, role: str) -> bool:
        request = self.case["request"]
        if request.get("currency") not in (None, self.policy["currency"]):
            return False
        hand = Hand(self.policy, (), self.case, person, self.now, request.get("amount"), None)
        rows = candidates(self.policy, role, self.case)
        return any(hand.shortfall(row, of_budgets=False) is None for row in rows)


def find(staff: Iterable[Json], agent_id: str | None) -> Json | None:
    """Who has that id."""
    return next((one for one in staff if one["agent_id"] == agent_id), None)


def absence(person: Json, now: datetime) -> Json | None:
    """While they are away."""
    holding = [
        one
        for one in person.get("absences", ())
        if datetime.fromisoformat(one["from"]) <= now < datetime.fromisoformat(one["until"])
    ]
    return max(holding, key=lambda one: str(one["from"]), default=None)


# Deciding


def decide(policy: Json, staff: Sequence[Json], charges: Sequence[Charge], case: Json, now: datetime) -> Told:
    """The first decision on the request of a case, submitted at `now`."""
    request, person = case["request"], find(staff, case.get("agent_id"))
    hand = Hand(policy, charges, case, person, now, request.get("amount"), request.get("reason"))
    ladder = Ladder(policy, staff, case, None if person is None else person["team"], now)
    applying, unjudged = hand.prohibitions()
    if applying:
        return Told("refused", "prohibition", reasons=applying)
    if unjudged:
        return _escalated(ladder, unjudged)
    if person is None:
        return _escalated(ladder, [Reason("unknown_agent")])
    if person["role"] not in policy["roles"]:
        return _escalated(ladder, [Reason("unknown_role")])
    if request.get("currency") not in (None, policy["currency"]):
        return _escalated(ladder, [Reason("currency_not_covered")])
    rows = candidates(policy, person["role"], case)
    granted = _granted(hand, rows)
    if isinstance(granted, Told):
        return granted
    return _escalated(ladder, granted or [Reason("no_mandate")], hand.on_the_spot(rows))


def _granted(hand: Hand, rows: Sequence[Json]) -> Told | list[Reason]:
    passed: list[Reason] = []
    for row in rows:
        reason = hand.shortfall(row)
        if reason is None:
            by = "discretion" if "discretion" in row else "mandate"
            charges = [charge for charge, _ in hand.charges_of(row)]
            return Told("approved", by, row["id"], passed, charges)
        passed.append(reason)
    return passed


def _escalated(ladder: Ladder, reasons: Sequence[Reason], on_the_spot: str | None = None) -> Told:
    asked = ladder.ask()
    if asked is None:
        return Told("refused", "ladder", reasons=[*reasons, Reason("nobody_may_grant")])
    step, approvers = asked
    return Told("escalated", reasons=reasons, on_the_spot=on_the_spot, step=step, approvers=approvers)


def answer(
    policy: Json,
    staff: Sequence[Json],
    charges: Sequence[Charge],
    waiting: Waiting,
    verdict: Json,
    now: datetime,
) -> Told:
    """What a verdict on an open approval comes to; `not_entitled` changes nothing."""
    case, giver = waiting.case, find(staff, verdict["agent_id"])
    if giver is None:
        return Told("not_entitled", reasons=[Reason("unknown_agent")])
    if giver["agent_id"] == case.get("agent_id"):
        return Told("not_entitled", reasons=[Reason("own_request")])
    if absence(giver, now) is not None:
        return Told("not_entitled", reasons=[Reason("absent")])
    if giver["agent_id"] not in Ladder(policy, staff, case, waiting.team, now).may_answer(waiting.step):
        return Told("not_entitled", reasons=[Reason("not_an_approver")])
    if not verdict["approves"]:
        return Told("refused", "person")
    amount = verdict.get("amount") or case["request"].get("amount")
    hand = Hand(policy, charges, case, giver, now, amount, verdict.get("reason"))
    if amount is not None and hand.of_case not in (None, policy["currency"]):
        return Told("not_entitled", reasons=[Reason("currency_not_covered")])
    applying, _ = hand.prohibitions()
    if applying:
        return Told("refused", "prohibition", reasons=applying)
    granted = _granted(hand, candidates(policy, giver["role"], case))
    if isinstance(granted, Told):
        return replace(granted, by="person", amount=amount)
    return Told("not_entitled", reasons=granted or [Reason("no_mandate")])


class Waiting(NamedTuple):
    """An escalated request that waits for a person, and the team of who asked."""

    case: Json
    team: str | None
    step: str
