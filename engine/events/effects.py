"""The effects of an input's events on the ledger.

The ledger's state is a function of the journal, and this module is that function. The confirm of a round, a
take-over and a cold start apply it (docs/ledger.md, One round).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import to_json

from engine.inputs.ledger_ids import reply_index_id, state_id, withdrawal_index_id
from engine.judging.budgets import COUNTED, counter_key, counter_of
from schemas import types
from schemas.ids import RequestKey
from schemas.money import parse_signed
from schemas.withdrawal import WITHDRAWN

Event = Mapping[str, Any]
"""A CloudEvent as parsed JSON."""

Counted: TypeAlias = tuple[str, str, int]
"""The key and the field of a counter, and an amount of either sign in minor units, or a count."""


class Effects(NamedTuple):
    """The changes that the events of one input make in the ledger, besides its index entry.

    `states`: ids of approvals, each with its whole state as JSON. `links`: index ids that now point to this
    decision as their newest. `charges`: the amounts that are added to counters.
    """

    states: tuple[tuple[str, bytes], ...] = ()
    links: tuple[str, ...] = ()
    charges: tuple[Counted, ...] = ()

    @property
    def left_to_do(self) -> Effects:
        """The effects without the positive charges, which the ledger counted when it settled the input."""
        if not self.charges:
            return self
        return self._replace(charges=tuple(one for one in self.charges if one[2] < 0))


class Journalled(NamedTuple):
    """The content of one `sequence` in the journal: index id and digest of the input, and its effects."""

    index_id: str
    digest: str
    effects: Effects


def charges_in(tenant: str, data: Event) -> Iterator[Counted]:
    """The charges of a decision. Raises ValueError or KeyError if rules did not write the decision."""
    for charge in data["charges"]:
        window, field = counter_of(charge["window"], charge.get("days") or 0)
        amount, unit = charge.get("count"), COUNTED
        if amount is None:
            unit = data["currency"]
            amount = parse_signed(charge["amount"], unit).minor
        key = counter_key(tenant, charge["budget"], window, unit, charge["scope"])
        yield key, field, amount


def journalled(events: Sequence[Event]) -> Journalled:
    """Read the events of one input. Raises ValueError or KeyError if rules did not write them.

    decision.withdrawn comes from a withdrawal, an approval event with a reply id from that reply, and any
    other decision from a submission.
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
        charges=tuple(
            counted for event in decisions for counted in charges_in(event["tenant"], event["data"])
        ),
    )
    if decisions and decisions[0]["type"] == types.DECISION_WITHDRAWN:
        request = _request_of(decisions[0])
        effects = effects._replace(links=(request.index_id,))
        return Journalled(withdrawal_index_id(request), WITHDRAWN, effects)
    answers = [data for data in approvals if data["reply_id"] is not None]
    if answers:
        data, about = answers[0], answers[0]["approval"]
        index_id = reply_index_id(about["tenant"], about["approval_id"], data["reply_id"])
        request = RequestKey(about["tenant"], about["case_id"], about["request_id"])
        links = (request.index_id,) if decisions else ()
        return Journalled(index_id, data["reply_digest"], effects._replace(links=links))
    if not decisions:
        raise ValueError("the events of a sequence hold neither a decision nor a reply")
    request_digest = decisions[0]["data"]["request_digest"]
    return Journalled(_request_of(decisions[0]).index_id, request_digest, effects)


def _request_of(decision: Event) -> RequestKey:
    return RequestKey(decision["tenant"], decision["data"]["case_id"], decision["data"]["request_id"])
