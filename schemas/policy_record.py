"""A published policy, as mandaat.policies holds it."""

from __future__ import annotations

from schemas.ids import Name
from schemas.model import Frozen


class PolicyRecord(Frozen):
    """The active policy by `<tenant>`, every version by `<tenant>/<digest>`; `yaml` is the file's text."""

    name: Name
    version: str
    digest: str
    yaml: str
