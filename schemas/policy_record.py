"""A published policy, as mandaat.policies holds it."""

from __future__ import annotations

from pydantic import Field

from schemas.ids import Name
from schemas.model import Frozen


class PolicyRecord(Frozen):
    """The active policy by `<tenant>`, every version by `<tenant>/<digest>`; `yaml` is the file's text."""

    name: Name = Field(description="The tenant, by which a policy goes.")
    version: str = Field(description="As its author wrote it.")
    digest: str = Field(description="sha256 in hexadecimal of its canonical JSON (RFC 8785).")
    yaml: str = Field(description="The text of the file.")
