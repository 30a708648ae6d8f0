"""Check that the events of an input fit the journal. A settled input must be published, so check before."""

from __future__ import annotations

from typing import Final

from engine.judging.budgets import BudgetUse, Charge
from engine.proposals.proposal import Proposal
from schemas.errors import Unreadable

MOST_BYTES: Final = 850_000
"""The events of one input go into one record batch, which holds about 900,000 bytes."""
_SURELY_FITS_BYTES: Final = 100_000
"""Events below this estimate always fit: writing grows numbers at most five times, other values less."""
_REASON_BYTES: Final = 400
"""The most that a reason takes without its text. The text may be in the figures too, in two events."""
_CHARGE_BYTES: Final = 1_000
"""The most that a charge, or the reason `budget_exhausted` in its place, takes without its names."""


def check_size(given_bytes: int, proposal: Proposal) -> None:
    """Raise Unreadable (too_large) if the events of the proposal would not fit.

    `given_bytes` is the size of the input plus the stored approval that it is about. The names of approvers
    take 240,000 bytes at most (`MOST_NAMED`; each character takes 12 bytes at most), and what is said of the
    first of them 80,000 (`MOST_DESCRIBED`).
    """
    bytes_at_most = given_bytes + 2 * sum(_REASON_BYTES + 8 * len(one.text) for one in proposal.reasons)
    for charges in proposal.charge_options:
        bytes_at_most += sum(_CHARGE_BYTES + 24 * len(one.budget.id) + 12 * len(one.scope) for one in charges)
    if bytes_at_most <= _SURELY_FITS_BYTES:
        return
    exhausted = [_just_exhausted(one) for charges in proposal.charge_options for one in charges]
    unused = [BudgetUse(0)] * len(proposal.probes)
    size = sum(map(len, proposal.render(0, 0, (*exhausted, *unused)).values))
    if size > MOST_BYTES:
        raise Unreadable(
            "too_large",
            f"The answer would take {size} bytes, but at most {MOST_BYTES} fit; send a smaller case.",
        )


def _just_exhausted(charge: Charge) -> BudgetUse:
    """The use with which the figures of `budget_exhausted` are longest."""
    return BudgetUse(max(0, charge.cap - charge.amount + 1), free_day=0)
