"""The effects of events on the ledger, in the ledger's own terms."""

from __future__ import annotations

from collections.abc import Sequence

from engine.events.effects import Effects, journalled
from services.rules.journal.grouping import Event
from services.rules.ledger.protocol import Applied, Credit, Effect, Link, SetState


def ledger_effects(effects: Effects, seq: int) -> tuple[Effect, ...]:
    """The effects of an input as effects of the ledger, with charges of either sign."""
    states = tuple(SetState(state_id, state) for state_id, state in effects.states)
    links = tuple(Link(index_id, seq) for index_id in effects.links)
    return states + links + tuple(Credit(*charge) for charge in effects.charges)


def effects_of(events: Sequence[Event]) -> Applied:
    """The effects of the events of one sequence, for a take-over or a cold start."""
    seq = int(events[0]["sequence"])
    index_id, digest, effects = journalled(events)
    return Applied(seq, index_id, digest, ledger_effects(effects, seq))
