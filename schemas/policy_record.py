"""The record of a published policy in mandaat.policies."""

from __future__ import annotations

from pydantic import Field

from schemas.ids import Name
from schemas.model import Frozen


class PolicyRecord(Frozen):
    """A policy. The key `<tenant>` holds the active policy, and `<tenant>/<digest>` holds each version."""

    name: Name = Field(description="The tenant of the policy.")
    version: str = Field(description="The version that its author gave it.")
    digest: str = Field(description="The sha256, in hexadecimal, of `canonical_json` in UTF-8.")
    yaml: str = Field(description="The file as its author wrote it. Only people read it.")
    canonical_json: str | None = Field(
        default=None,
        description="The canonical JSON (RFC 8785) of the checked policy. Workers read it. "
        "A record without it, of an older version of Mandaat, cannot be used: publish that policy again.",
    )
