"""A published policy, as mandaat.policies holds it."""

from __future__ import annotations

from pydantic import Field

from schemas.ids import Name
from schemas.model import Frozen


class PolicyRecord(Frozen):
    """The active policy by `<tenant>`, every version by `<tenant>/<digest>`: for people and for workers."""

    name: Name = Field(description="The tenant whose policy this is.")
    version: str = Field(description="As its author wrote it.")
    digest: str = Field(description="sha256, in hexadecimal, of `canonical_json` in UTF-8.")
    yaml: str = Field(description="The file as it was written: for people and for history.")
    canonical_json: str | None = Field(
        default=None,
        description="The canonical JSON (RFC 8785) of the checked policy, which workers read. "
        "A record of an older version lacks it and cannot be used: publish that policy again.",
    )
