"""Members of staff of a tenant."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from schemas.errors import Unreadable
from schemas.ids import AgentId, PlainId, Role, Tenant
from schemas.model import Frozen, Line
from schemas.reading import read


class Absence(Frozen):
    """A period of absence, and the person who stands in."""

    from_: AwareDatetime = Field(alias="from", description="The start, included.")
    until: AwareDatetime = Field(description="The end, not included.")
    delegate: AgentId | None = Field(default=None, description="The person who stands in.")


class StaffMember(Frozen):
    """A staff record: one line of `mandaat publish staff`, one value in mandaat.staff."""

    agent_id: AgentId
    tenant: Tenant
    name: Line
    role: Role = Field(description="A role of the tenant's policy.")
    team: PlainId
    email: Annotated[Line, Field(max_length=320)] | None = Field(
        default=None, description="Their mail address; without it they get no mail."
    )
    language: Annotated[Line, Field(max_length=35)] | None = Field(
        default=None, description="The language of their letters, as a BCP 47 tag: `nl`, `en-GB`."
    )
    absences: tuple[Absence, ...] = Field(
        default=(), description="Periods in which they answer no approvals."
    )

    @property
    def key(self) -> str:
        """The key of their record."""
        return staff_key(self.tenant, self.agent_id)


def staff_key(tenant: str, agent_id: str) -> str:
    """The key of a record of mandaat.staff. A tenant has no slash, so two members never have the same key."""
    return f"{tenant}/{agent_id}"


def read_member(key: str, value: bytes) -> StaffMember:
    """A record of mandaat.staff. Raises Unreadable, also if the key is another person's."""
    member = read(StaffMember, value)
    if key != member.key:
        raise Unreadable("key_mismatch", "The key of a staff record is <tenant>/<agent_id> of its body.")
    return member
