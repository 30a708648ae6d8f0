"""Who works for a tenant (DESIGN.md, Command line)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from schemas.errors import Unreadable
from schemas.ids import AgentId, PlainId, Role, Tenant
from schemas.model import Frozen, Line
from schemas.reading import read


class Absence(Frozen):
    """A time away, from (included) until (excluded), and who stands in."""

    from_: AwareDatetime = Field(alias="from", description="Included.")
    until: AwareDatetime = Field(description="Not included.")
    delegate: AgentId | None = Field(default=None, description="Who answers in their place.")


class StaffMember(Frozen):
    """A staff record: one line of `mandaat publish staff`, one value in mandaat.staff."""

    agent_id: AgentId
    tenant: Tenant
    name: Line
    role: Role = Field(description="A role of the tenant's policy.")
    team: PlainId
    email: Annotated[Line, Field(max_length=320)] | None = Field(
        default=None, description="Where they are told; without it no mail is sent."
    )
    language: Annotated[Line, Field(max_length=35)] | None = Field(
        default=None, description="The language they read, as a BCP 47 tag: `nl`, `en-GB`."
    )
    absences: tuple[Absence, ...] = Field(default=(), description="While away they answer no approval.")

    @property
    def key(self) -> str:
        """Of their record."""
        return staff_key(self.tenant, self.agent_id)


def staff_key(tenant: str, agent_id: str) -> str:
    """The key of a record of mandaat.staff; a tenant holds no slash, so no two are the same."""
    return f"{tenant}/{agent_id}"


def read_member(key: str, value: bytes) -> StaffMember:
    """A record of mandaat.staff. Raises Unreadable, also where the key is another person's."""
    member = read(StaffMember, value)
    if key != member.key:
        raise Unreadable("key_mismatch", "The key of a staff record is <tenant>/<agent_id> of its body.")
    return member
