"""The ledger's marker: all that stands before it in the partition is replicated (LEDGER.md, Take-over)."""

from __future__ import annotations

from schemas.model import Frozen


class Marker(Frozen):
    """The data of `mandaat.ledger.marked.v1`, key `ledger/<p>`: to be ignored by everybody else."""

    partition: int
