"""The ledger's marker: everything before it in the partition is replicated (docs/ledger.md, Take-over)."""

from __future__ import annotations

from schemas.model import Frozen


class Marker(Frozen):
    """The data of `mandaat.ledger.marked.v1`, key `ledger/<p>`. Other readers ignore it."""

    partition: int
