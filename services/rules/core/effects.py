"""What an input's events mean for the ledger: the same whether just rendered or read from the journal.

Redis = f(journal): this is f. It is applied by the confirm of a round, at a take-over and at a cold start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import to_json

from schemas import types
from schemas.ids import RequestKey
from schemas.money import parse_signed
from services.rules.core.budgets import COUNTED, counter_key, counter_of
from services.rules.core.inputs import reply_index_id, state_id

Event = Mapping[str, Any]
"""A CloudEvent as JSON says it."""

Counted: TypeAlias = tuple[str, str, int]
"""Key and field of a counter, and an amount of either sign, in minor units or a count."""


class Effects(NamedTuple):
    """What the events of one input do beside its index entry, from the confirm on.

    `states`: where the ledger keeps an approval, and its whole state as JSON. `links`: index ids whose newest
    decision this now is. `charges`: what is counted; of a live round only what is less than 0 is left to do,
    as the rest counts from settling.
    """

    states: tuple[tuple[str, bytes], ...] = ()
    links: tuple[str, ...] = ()
    charges: tuple[Counted, ...] = ()


class Journalled(NamedTuple):
    """All events of one `sequence`: under which id and digest their input was settled, and the effects."""

    index_id: str
    digest: str
    effects: Effects


def charges_in(decision: Event) -> Iterator[Counted]:
    """What the event of a decision says was counted. Raises ValueError or KeyError, if rules wrote none."""
    data = decision["data"]
    for charge in data["charges"]:
        window, field = counter_of(charge["window"], charge.get("days") or 0)
        amount, unit = charge.get("count"), COUNTED
        if amount is None:
            unit = data["currency"]
            amount = parse_signed(charge["amount"], unit).minor
        key = counter_key(decision["tenant"], charge["budget"], window, unit, charge["scope"])
        yield key, field, amount


def journalled(events: Sequence[Event]) -> Journalled:
    """Read what the journal says of one input. Raises ValueError or KeyError: rules did not write it.

    An approval event with a reply was caused by that reply; else the request of the decision was the input.
    """
    decisions = [event for event in events if event["type"] in types.DECISION_EVENTS]
    approvals = [event["data"] for event in events if event["type"] not in types.DECISION_EVENTS]
    effects = Effects(
        tuple(
            (
                state_id(event["tenant"], event["data"]["approval"]["approval_id"]),
                to_json(event["data"]["approval"]),
            )
            for event in events
            if event["type"] in types.CHANGES_APPROVAL
        ),
        charges=tuple(counted for event in decisions for counted in charges_in(event)),
    )
    replied = [data for data in approvals if data["reply_id"] is not None]
    if replied:
        data, about = replied[0], replied[0]["approval"]
        index_id = reply_index_id(about["tenant"], about["approval_id"], data["reply_id"])
        request = RequestKey(about["tenant"], about["case_id"], about["request_id"]).index_id
        links = (request,) if decisions else ()
        return Journalled(index_id, data["reply_digest"], effects._replace(links=links))
    if not decisions:
        raise ValueError("the events of a sequence hold neither a decision nor a reply")
    event = decisions[0]
    key = RequestKey(event["tenant"], event["data"]["case_id"], event["data"]["request_id"])
    return Journalled(key.index_id, event["data"]["request_digest"], effects)
