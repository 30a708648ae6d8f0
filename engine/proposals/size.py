"""Check that the events of an input fit the journal, before it is settled: afterwards it is too late."""

from __future__ import annotations

from typing import Final

from engine.judging.budgets import BudgetUse, Charge
from engine.proposals.proposal import Proposal
from schemas.errors import Unreadable

MOST_BYTES: Final = 850_000
"""The events of one input go into one record batch, which holds about 900,000 bytes."""
_SURELY_FITS_BYTES: Final = 100_000
"""Below it they fit: numbers grow at most five times when they are written again, all else less."""
_REASON_BYTES: Final = 400
"""More than a reason takes beside its text. The text may be in its figures too, and two events hold it."""
_CHARGE_BYTES: Final = 1_000
"""More than a charge takes beside the names in it, or than the reason that its budget has no room."""


def check_size(given_bytes: int, proposal: Proposal) -> None:
    """Raise Unreadable, too_large, if its events would not fit.

    `given_bytes` is the size of the input and of the stored approval that it is about. The names of approvers
    take 240,000 bytes at most (`MOST_NAMED`, each character 12 bytes at most).
    """
    bytes_at_most = given_bytes + 2 * sum(_REASON_BYTES + 8 * len(one.text) for one in proposal.reasons)
    for charges in proposal.charge_options:
        bytes_at_most += sum(_CHARGE_BYTES + 24 * len(one.budget.id) + 12 * len(one.scope) for one in charges)
    if bytes_at_most <= _SURELY_FITS_BYTES:
        return
    too_little = [_just_too_little(one) for charges in proposal.charge_options for one in charges]
    unused = [BudgetUse(0)] * len(proposal.probes)
    size = sum(map(len, proposal.render(0, 0, (*too_little, *unused)).values))
    if size > MOST_BYTES:
        raise Unreadable(
            "too_large",
            f"The answer to this would take {size} bytes, and {MOST_BYTES} fit; send less in it.",
        )


def _just_too_little(charge: Charge) -> BudgetUse:
    """The use that makes the figures of the reason as long as they can be."""
    return BudgetUse(max(0, charge.cap - charge.amount + 1), free_day=0)
