"""The marker of the ledger: all records before it in the partition are replicated.

See docs/ledger.md, Take-over.
"""

from __future__ import annotations

from schemas.model import Frozen


class Marker(Frozen):
    """The data of `mandaat.ledger.marked.v1`, key `ledger/<p>`. Other readers ignore it."""

    partition: int
