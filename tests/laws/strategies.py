"""Strategies for policies, staff, cases and charges, as plain JSON. Few values, so that they interact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final, Protocol, TypeVar

from hypothesis import strategies as st

from tests.laws.charges import DECIMALS, Charge, Json, local_time, minor_of, text_of
from tests.laws.expressions import CONDITIONS, DEFINE, LIMITS
from tests.laws.mandate_checks import budgets_of

TENANT: Final = "acme"
ROLES: Final = ("agent", "senior", "lead", "boss", "expert")
TEAMS: Final = ("north", "south", "a|b")
PEOPLE: Final = ("ann", "bob", "cas", "dee", "eva", "fay")
CUSTOMERS: Final = ("cu-1", "cu-2", "agent:ann")
KINDS: Final = ("refund", "flowers", "call_back")
CATEGORIES: Final = ("delivery", "billing")
GRID: Final = (0, 1, 10, 20, 25, 40, 50, 75, 99, 100)
PERS: Final = ("agent", "team", "customer", "case", "tenant")
WINDOWS: Final = ("day", "week", "month", "year", "hour", "quarter", "1d", "2d", "7d", "30d")
TURNS: Final = {
    "Europe/Amsterdam": ("2026-03-29T01:00:00", "2026-10-25T01:00:00", "2025-12-31T23:00:00"),
    "America/New_York": ("2026-03-08T07:00:00", "2026-11-01T06:00:00", "2026-12-28T05:00:00"),
    "Asia/Beirut": ("2026-03-28T22:00:00", "2026-10-24T21:00:00", "2027-01-03T22:00:00"),
    "Pacific/Kiritimati": ("2026-02-28T10:00:00", "2028-02-29T10:00:00", "2026-01-31T10:00:00"),
    "UTC": ("2026-03-02T00:00:00", "2026-12-31T23:59:59", "1970-01-01T00:00:00"),
}
"""Moments in UTC, by time zone, at which its clocks change or a year, week or month ends."""

T = TypeVar("T")


class Draw(Protocol):
    """The draw function of a composite strategy, or of `st.data()`."""

    def __call__(self, strategy: st.SearchStrategy[T]) -> T: ...


# Strategies are made once, because making one takes longer than drawing from it.


@cache
def _among(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@cache
def _up_to(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


@cache
def _several(values: tuple[Any, ...], least: int, most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique=True)


def pick(draw: Draw, values: Iterable[T]) -> T:
    """One of the values; the first is the simplest."""
    found: T = draw(_among(tuple(values)))
    return found


def one_in(draw: Draw, many: int) -> bool:
    """True in one of `count` draws, on average."""
    return draw(_up_to(0, many - 1)) == many - 1


def between(draw: Draw, least: int, most: int) -> int:
    """A whole number between two bounds, both included."""
    return draw(_up_to(least, most))


def several(draw: Draw, values: Sequence[T], least: int = 0, most: int = 3) -> list[T]:
    """Some of the values, none twice."""
    return draw(_several(tuple(values), least, most)) if values else []


def _some(draw: Draw, values: Sequence[str]) -> str | list[str]:
    """One value or a list, as policies may write it."""
    return pick(draw, values) if draw(_up_to(0, 1)) == 0 else several(draw, values, 1)


def size(draw: Draw, currency: str) -> int:
    """An amount in minor units, not negative: round amounts, and those just beside them."""
    unit = int(10 ** DECIMALS[currency])
    return max(0, pick(draw, GRID) * unit + pick(draw, (0, 0, 0, -1, 1)))


def as_number(minor: int, currency: str) -> int | float:
    """The amount as a policy writes it."""
    number = Decimal(text_of(minor, currency))
    return int(number) if number == int(number) else float(number)


def in_minor(number: int | float, policy: Json) -> int:
    """A number of the policy in minor units."""
    return minor_of(str(number), policy["currency"])


def _roles(draw: Draw) -> Json:
    """Roles, of which each extends some earlier ones."""
    found: dict[str, Any] = {}
    for place, role in enumerate(ROLES):
        above = several(draw, ROLES[:place], most=2) if one_in(draw, 3) else list(ROLES[:place][-1:])
        found[role] = {"extends": above if len(above) > 1 else above[0]} if above else {}
    return found


def a_budget(draw: Draw, currency: str, per: Sequence[str] = PERS) -> dict[str, Any]:
    """A budget of money or of a count."""
    entry = {"per": pick(draw, per), "window": pick(draw, WINDOWS)}
    if one_in(draw, 3):
        entry["warn_at"] = pick(draw, ("80%", "1%", "100%"))
    if one_in(draw, 3):
        return entry | {"count": between(draw, 1, 3)}
    cap = size(draw, currency) + (0 if one_in(draw, 2) else 100 * 10 ** DECIMALS[currency])
    return entry | {"cap": as_number(max(1, cap), currency)}


def _mandate(draw: Draw, name: str, currency: str, shared: Json, per: Sequence[str], blind: bool) -> Json:
    """One mandate, with some of the shared budgets and some of its own."""
    row: dict[str, Any] = {"id": name, "grants": "*", "to": "agent"}
    if one_in(draw, 2):
        row |= {"grants": _some(draw, KINDS), "to": _some(draw, ROLES)}
    if one_in(draw, 3):
        row["when"] = pick(draw, _blind(CONDITIONS) if blind else sorted(CONDITIONS))
    limit = between(draw, 0, 3)
    if limit == 1:
        row["limit"] = pick(draw, _blind(LIMITS) if blind else sorted(LIMITS))
    elif limit > 1:
        row["limit"] = as_number(size(draw, currency), currency)
    if one_in(draw, 8):
        row["categories"] = [pick(draw, CATEGORIES)]
    if one_in(draw, 4):
        row["discretion"] = {}
    named = several(draw, sorted(shared), most=2)
    own = [a_budget(draw, currency, per) for _ in range(between(draw, 0, 2 - len(named)))]
    if own and one_in(draw, 2):
        own[0] = {"id": "own", **own[0]}
    if named or own:
        row["budgets"] = [*own, *named] if one_in(draw, 2) else [*named, *own]
    return row


def _blind(expressions: Mapping[str, Any]) -> list[str]:
    """The expressions that do not use the amount."""
    return [text for text in sorted(expressions) if "amount" not in text]


@st.composite
def policies(
    draw: Draw, *, currencies: Sequence[str] = ("EUR", "JPY", "KWD"), per: Sequence[str] = PERS,
    blind: bool = False,
) -> Json:  # fmt: skip
    """A complete policy. Shared budgets may be unused. `blind`: no expression uses the amount."""
    currency = pick(draw, currencies)
    shared = {f"b{place}": a_budget(draw, currency, per) for place in range(between(draw, 0, 2))}
    rows = [_mandate(draw, f"m{at}", currency, shared, per, blind) for at in range(between(draw, 1, 4))]
    policy: dict[str, Any] = {
        "policy": TENANT,
        "version": "1",
        "currency": currency,
        "timezone": pick(draw, sorted(TURNS)),
        "roles": _roles(draw),
        "define": DEFINE,
        "mandates": rows,
        "escalation": [{"id": "ladder", "steps": [{"to": role} for role in several(draw, ROLES[1:], 1, 3)]}],
    }
    if shared:
        policy["budgets"] = shared
    if one_in(draw, 8):
        policy["escalation"][0]["when_nobody"] = pick(draw, ("refuse", "last_step"))
    if one_in(draw, 4):
        policy["prohibitions"] = [a_prohibition(draw, f"p{at}", blind) for at in range(between(draw, 1, 2))]
    return policy


def a_prohibition(draw: Draw, name: str, blind: bool) -> Json:
    row: dict[str, Any] = {"id": name, "kinds": _some(draw, KINDS), "reason": "nobody can do this"}
    if not one_in(draw, 8):
        row["when"] = pick(draw, _blind(CONDITIONS) if blind else sorted(CONDITIONS))
    if one_in(draw, 8):
        row["categories"] = [pick(draw, CATEGORIES)]
    if one_in(draw, 3):
        row["except"] = _some(draw, ROLES)
    return row


@st.composite
def staffs(draw: Draw, *, known: bool = False) -> list[Json]:
    """Some of the people as staff. `known`: all of them, with a role of the policies."""
    return [a_person(draw, one, known) for one in sorted(several(draw, PEOPLE, 2, len(PEOPLE)))]


def a_person(draw: Draw, name: str, known: bool = False) -> Json:
    """A member of staff, rarely away."""
    person: dict[str, Any] = {"agent_id": name, "tenant": TENANT, "name": name}
    person |= {"role": pick(draw, ROLES), "team": pick(draw, TEAMS)}
    if known:
        return person
    odd = between(draw, 0, 39)
    if odd == 39:
        person["role"] = "unheard-of"
    elif odd > 33:
        away = {"from": "2025-01-01T00:00:00+00:00", "until": "2026-10-01T00:00:00+00:00"}
        person["absences"] = [away | ({} if odd == 34 else {"delegate": pick(draw, PEOPLE)})]
    return person


VALUES: Final = (9, 10.0, 90, 90.0, 90.25, "90", "x", True, None, (1, 2), 0, -3, 33.333333333)
GOOD_FACTS: Final = {"n": 90.0, "m": 6, "s": "x", "l": [1, 2], "o": {"p": 4}}


def _facts(draw: Draw) -> Json:
    if not one_in(draw, 2):
        return GOOD_FACTS
    facts: dict[str, Any] = {
        key: pick(draw, VALUES) for key in several(draw, ("n", "m", "s", "l", "o"), most=4)
    }
    if "o" in facts and one_in(draw, 2):
        facts["o"] = {"p": facts["o"]}
    return facts


def _request(draw: Draw, currency: str) -> dict[str, Any]:
    request: dict[str, Any] = {"request_id": "r1", "kind": pick(draw, KINDS)}
    if not one_in(draw, 6):
        text = text_of(size(draw, currency), currency)
        short = "." in text and one_in(draw, 2)
        request |= {"amount": text.rstrip("0").rstrip(".") if short else text, "currency": currency}
    if one_in(draw, 3):
        request |= {
            "discretion": True,
            "reason": pick(draw, ("late twice", "late twice", "late twice", " ", "")),
        }
    return request


def a_case(draw: Draw, policy: Json, staff: Sequence[Json]) -> dict[str, Any]:
    """A case, usually of a member of staff."""
    case: dict[str, Any] = {
        "case_id": "c-1",
        "tenant": TENANT,
        "opened_at": "2026-03-02T08:00:00Z",
        "customer": {"id": pick(draw, CUSTOMERS)},
        "agent_id": pick(draw, [person["agent_id"] for person in staff]),
        "facts": _facts(draw),
        "request": _request(draw, policy["currency"]),
    }
    odd = between(draw, 0, 59)
    if odd > 57:
        case["agent_id"] = None if odd == 58 else "nobody"
    if odd == 57:
        case["request"] |= {"amount": "10", "currency": "USD"}
    if odd % 2:
        case["customer"]["language"] = pick(draw, ("nl", "en"))
    if odd % 3:
        case["category"] = pick(draw, CATEGORIES)
    return case


BESIDE: Final = (timedelta(0), timedelta(microseconds=-1), timedelta(hours=1), timedelta(hours=-1))


def a_moment(draw: Draw, policy: Json) -> datetime:
    """A moment near a clock change or the end of a window in the policy's time zone."""
    turn = datetime.fromisoformat(pick(draw, TURNS[policy["timezone"]])).replace(tzinfo=UTC)
    moment = turn + pick(draw, BESIDE) + timedelta(days=pick(draw, (0, 0, 1, -1, 6, 7, 29, 30, -30)))
    return max(moment, datetime(1970, 1, 1, tzinfo=UTC))


def spending(draw: Draw, policy: Json, staff: Sequence[Json], case: Json, now: datetime) -> list[Charge]:
    """Earlier charges, also on later days, and also above caps that were lowered since.

    Mostly of whom the case is about.
    """
    pools = [pool for row in policy["mandates"] for pool in budgets_of(policy, row)]
    return (
        [_spent(draw, policy, pools, staff, case, now) for _ in range(between(draw, 0, 5))] if pools else []
    )


def _spent(
    draw: Draw,
    policy: Json,
    pools: Sequence[tuple[str, Json]],
    staff: Sequence[Json],
    case: Json,
    now: datetime,
) -> Charge:
    name, budget = pools[between(draw, 0, len(pools) - 1)]
    people = [one for one in staff if one["agent_id"] == case["agent_id"]] or staff
    customers: Sequence[str] = [case["customer"]["id"]]
    if one_in(draw, 3):
        people, customers = staff, CUSTOMERS
    whose = {
        "agent": [f"agent:{one['agent_id']}" for one in people],
        "team": [f"team:{one['team']}" for one in people],
        "customer": [f"customer:{one}" for one in customers],
        "case": [f"case:{case['case_id']}"],
        "tenant": ["tenant"],
    }
    scope = pick(draw, whose[budget["per"]])
    days = timedelta(days=pick(draw, (0, 0, 0, -1, 1, -6, 6, 7, -29, 29, 31, -40)))
    hours = timedelta(hours=pick(draw, (0, 0, 0, -1, 1)))
    at = local_time(policy, now + days + hours)
    if "count" in budget:
        unit, amount = "count", between(draw, 1, 2)
    else:
        unit, amount = policy["currency"], max(1, size(draw, policy["currency"]))
    return Charge(name, budget["window"], unit, scope, at, amount)


def with_somebody_to_ask(draw: Draw, policy: Json) -> Json:
    """The policy, usually with a mandate for a role of the ladder, with its own budgets."""
    if one_in(draw, 4):
        return policy
    role = policy["escalation"][0]["steps"][-1]["to"]
    pools = [a_budget(draw, policy["currency"]) for _ in range(between(draw, 1, 2))]
    if not one_in(draw, 3):
        pools[0]["per"] = "agent"
    row = {"id": "asked", "grants": "*", "to": role, "budgets": pools}
    return {**policy, "mandates": [*policy["mandates"], row]}


def with_other_caps(draw: Draw, policy: Json) -> Json:
    """The next version of a policy, with larger or smaller caps on some budgets."""
    changed = {**policy, "version": str(int(policy["version"]) + 1)}
    if "budgets" in policy:
        changed["budgets"] = {name: _recapped(draw, one, policy) for name, one in policy["budgets"].items()}
    changed["mandates"] = [
        {
            **row,
            "budgets": [
                one if isinstance(one, str) else _recapped(draw, one, policy) for one in row["budgets"]
            ],
        }
        if "budgets" in row
        else row
        for row in policy["mandates"]
    ]
    return changed


def _recapped(draw: Draw, budget: Json, policy: Json) -> Json:
    if "count" in budget:
        return {**budget, "count": between(draw, 1, 3)}
    return {**budget, "cap": as_number(max(1, size(draw, policy["currency"])), policy["currency"])}
