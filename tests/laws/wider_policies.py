"""Changes to a policy that let its mandates grant more."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from tests.laws import strategies
from tests.laws.charges import Json
from tests.laws.mandate_checks import listed
from tests.laws.strategies import Draw

Policy = dict[str, Any]


def wider(draw: Draw, policy: Json) -> Json:
    """The policy with one such change, if it applies."""
    wider = deepcopy(dict(policy))
    strategies.pick(draw, WAYS)(draw, wider)
    return wider


def _row(draw: Draw, policy: Policy) -> dict[str, Any]:
    rows: list[dict[str, Any]] = policy["mandates"]
    return rows[strategies.between(draw, 0, len(rows) - 1)]


def _drop(*keys: str) -> Callable[[Draw, Policy], None]:
    def drop(draw: Draw, policy: Policy) -> None:
        row = _row(draw, policy)
        for key in keys:
            row.pop(key, None)

    return drop


def _raise_limit(draw: Draw, policy: Policy) -> None:
    row = _row(draw, policy)
    if isinstance(row.get("limit"), int | float):
        row["limit"] = strategies.as_number(
            strategies.in_minor(row["limit"], policy) + strategies.between(draw, 1, 5000), policy["currency"]
        )


def _one_more(key: str, values: tuple[str, ...]) -> Callable[[Draw, Policy], None]:
    def add(draw: Draw, policy: Policy) -> None:
        row = _row(draw, policy)
        value = strategies.pick(draw, values)
        if key in row and "*" not in listed(row[key]) and value not in listed(row[key]):
            row[key] = [*listed(row[key]), value]

    return add


def _every_kind(draw: Draw, policy: Policy) -> None:
    _row(draw, policy)["grants"] = "*"


def _fewer_budgets(draw: Draw, policy: Policy) -> None:
    row = _row(draw, policy)
    if len(row.get("budgets", ())) > 1:
        del row["budgets"][-1]
    else:
        row.pop("budgets", None)


def _more_room(draw: Draw, policy: Policy) -> None:
    own = [one for row in policy["mandates"] for one in row.get("budgets", ()) if isinstance(one, dict)]
    pools = [*policy.get("budgets", {}).values(), *own]
    if pools:
        pool = pools[strategies.between(draw, 0, len(pools) - 1)]
        if "count" in pool:
            pool["count"] += strategies.between(draw, 1, 3)
        else:
            more = strategies.in_minor(pool["cap"], policy) + strategies.between(draw, 1, 5000)
            pool["cap"] = strategies.as_number(more, policy["currency"])


def _another_row(draw: Draw, policy: Policy) -> None:
    row = {"id": "another", "grants": "*", "to": strategies.pick(draw, strategies.ROLES), "limit": 1}
    policy["mandates"].insert(strategies.between(draw, 0, len(policy["mandates"])), row)


def _role_extends_more(draw: Draw, policy: Policy) -> None:
    place = strategies.between(draw, 1, len(strategies.ROLES) - 1)
    entry = policy["roles"][strategies.ROLES[place]]
    above = strategies.pick(draw, strategies.ROLES[:place])
    if above not in listed(entry.get("extends")):
        entry["extends"] = [*listed(entry.get("extends")), above]


WAYS: Final = (
    _drop("when"),
    _drop("limit"),
    _drop("categories"),
    _drop("budgets"),
    _drop("discretion"),
    _drop("when", "limit", "categories", "budgets"),
    _raise_limit,
    _every_kind,
    _one_more("grants", strategies.KINDS),
    _one_more("to", strategies.ROLES),
    _one_more("categories", strategies.CATEGORIES),
    _fewer_budgets,
    _more_room,
    _another_row,
    _another_row,
    _another_row,
    _role_extends_more,
)
