"""The effects of an input's events on the ledger.

The ledger's state is a function of the journal, and this module is that function. The confirm of a round, a
take-over and a cold start apply it (docs/ledger.md, One round).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import to_json

from engine.inputs.ledger_ids import reply_index_id, state_id, withdrawal_index_id
from engine.judging.budgets import COUNTED, counter_key, counter_of
from schemas import types
from schemas.approval import Approval
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


def approval_effects(approval: Approval | Event) -> Effects:
    """The effects of a new version of an approval. A replay has it as parsed JSON, with the same bytes."""
    if isinstance(approval, Approval):
        return _of_version(
            approval.tenant, approval.approval_id, approval.__pydantic_serializer__.to_json(approval)
        )
    return _of_version(approval["tenant"], approval["approval_id"], to_json(approval))


def _of_version(tenant: str, approval_id: str, state: bytes) -> Effects:
    return Effects(states=((state_id(tenant, approval_id), state),))


def journalled(events: Sequence[Event]) -> Journalled:
    """Read the events of one input. Raises ValueError or KeyError if rules did not write them."""
    kinds = tuple([event["type"] for event in events])
    input_of = INPUTS.get(kinds)
    if input_of is None:
        raise ValueError(f"no input has exactly these events: {', '.join(kinds) or 'none'}")
    effects = Effects()
    links: list[str] = []
    charges: list[Counted] = []
    for event in events:
        if event["type"] in types.DECISION_EVENTS:
            charges += charges_in(event["tenant"], event["data"])
            if input_of is not _submission:
                links.append(_request_of(event).index_id)
        elif event["type"] in types.CHANGES_APPROVAL:
            effects = approval_effects(event["data"]["approval"])
    if links or charges:
        effects = effects._replace(links=tuple(links), charges=tuple(charges))
    return Journalled(*input_of(events), effects)


def _submission(events: Sequence[Event]) -> tuple[str, str]:
    return _request_of(events[0]).index_id, events[0]["data"]["request_digest"]


def _withdrawal(events: Sequence[Event]) -> tuple[str, str]:
    return withdrawal_index_id(_request_of(events[0])), WITHDRAWN


def _reply(events: Sequence[Event]) -> tuple[str, str]:
    data = events[-1]["data"]
    approval, reply_id = data["approval"], data["reply_id"]
    if reply_id is None:
        raise ValueError(f"{events[-1]['type']} names no reply")
    return reply_index_id(approval["tenant"], approval["approval_id"], reply_id), data["reply_digest"]


def _request_of(decision: Event) -> RequestKey:
    return RequestKey(decision["tenant"], decision["data"]["case_id"], decision["data"]["request_id"])


INPUTS: Final[Mapping[tuple[str, ...], Callable[[Sequence[Event]], tuple[str, str]]]] = {
    (types.DECISION_APPROVED,): _submission,
    (types.DECISION_REFUSED,): _submission,
    (types.DECISION_ESCALATED, types.APPROVAL_REQUESTED): _submission,
    (types.DECISION_APPROVED, types.APPROVAL_CLOSED): _reply,
    (types.DECISION_REFUSED, types.APPROVAL_CLOSED): _reply,
    (types.APPROVAL_LATE,): _reply,
    (types.APPROVAL_NOT_ENTITLED,): _reply,
    (types.DECISION_WITHDRAWN,): _withdrawal,
    (types.DECISION_WITHDRAWN, types.APPROVAL_CLOSED): _withdrawal,
}
"""The types of the events of one input, in order -> the index id and the digest of that input."""
