"""Who works for a tenant (DESIGN.md, Command line)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from schemas.ids import AgentId, PlainId, Role, Tenant
from schemas.model import Frozen, Line


class Absence(Frozen):
    """A time away, from (included) until (excluded), and who stands in."""

    from_: AwareDatetime = Field(alias="from")
    until: AwareDatetime
    delegate: AgentId | None = None


class StaffMember(Frozen):
    """A staff record: one line of `mandaat publish staff`, one value in mandaat.staff."""

    agent_id: AgentId
    tenant: Tenant
    name: Line
    role: Role
    team: PlainId
    email: Annotated[Line, Field(max_length=320)] | None = None
    language: Annotated[Line, Field(max_length=35)] | None = None
    absences: tuple[Absence, ...] = ()
