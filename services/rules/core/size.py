"""Whether the events of an input fit the journal, asked before it is settled: afterwards it is too late."""

from __future__ import annotations

from typing import Final

from schemas.errors import Unreadable
from services.rules.core.propose import Proposed

MOST_BYTES: Final = 850_000
"""The events of one input go into one record batch (LEDGER.md, Worker), of about 900,000 bytes."""
_SURELY_FITS_BYTES: Final = 100_000
"""Numbers grow at most five times when they are written again, and everything else less."""
_REASON_BYTES: Final = 400
"""More than a reason takes beside its text, which stands in its figures too. Two events hold the reasons."""

_NAME_BYTES: Final = 3
"""Quotes and a comma; a character takes 12 bytes at most."""


def check_size(given_bytes: int, proposal: Proposed) -> None:
    """Raise Unreadable, too_large. `given_bytes`: of the input and of the approval that it is about."""
    reasons = proposal.reasons
    about = given_bytes + 2 * sum(_REASON_BYTES + 8 * len(one.text) for one in reasons)
    about += sum(_NAME_BYTES + 12 * len(name) for name in proposal.approvers)
    if about <= _SURELY_FITS_BYTES:
        return
    size = sum(map(len, proposal.render(0).values))
    if size > MOST_BYTES:
        raise Unreadable(
            "too_large",
            f"What this is answered with would take {size} bytes, and {MOST_BYTES} fit; send less in it.",
        )
