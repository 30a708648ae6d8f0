"""The staff of a tenant."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.errors import Unreadable
from schemas.ids import AgentId, NewId, PlainId, Role, Tenant, with_new_id
from schemas.model import Frozen, Line
from schemas.reading import read


class Absence(Frozen):
    """A period of absence, and the stand-in."""

    from_: AwareDatetime = Field(alias="from", description="The start, included.")
    until: AwareDatetime = Field(description="The end, not included. It must be after `from`.")
    delegate: AgentId | None = Field(default=None, description="The person who stands in.")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Absence:
        if self.until <= self.from_:
            text = "must be after `from`, or the person would never be absent"
            raise PydanticCustomError("never_absent", "{flaw}", {"flaw": text, "pointer": "/until"})
        return self


class StaffMember(Frozen):
    """A staff record: one line of `mandaat publish staff`, one value in mandaat.staff."""

    agent_id: AgentId
    tenant: Tenant
    name: Line
    role: Role = Field(description="A role of the tenant's policy.")
    team: PlainId
    email: Annotated[Line, Field(max_length=320)] | None = Field(
        default=None, description="The person's mail address; without it the person gets no mail."
    )
    language: Annotated[Line, Field(max_length=35)] | None = Field(
        default=None, description="The language of the person's letters, as a BCP 47 tag: `nl`, `en-GB`."
    )
    absences: tuple[Absence, ...] = Field(
        default=(), description="The periods in which the person cannot answer approvals."
    )

    @property
    def key(self) -> str:
        """The key of the record."""
        return staff_key(self.tenant, self.agent_id)


def _with_new_delegate(absence: Absence) -> Absence:
    return absence if absence.delegate is None else with_new_id("delegate")(absence)


class NewStaffMember(StaffMember):
    """A staff record as it is published. Its ids become ids of this system here (docs/contracts.md, Ids)."""

    agent_id: NewId
    team: NewId
    absences: tuple[Annotated[Absence, AfterValidator(_with_new_delegate)], ...] = Field(
        default=(), description="The periods in which the person cannot answer approvals."
    )


def staff_key(tenant: str, agent_id: str) -> str:
    """The key of a record of mandaat.staff. A tenant contains no slash, so no two members share a key."""
    return f"{tenant}/{agent_id}"


def read_member(key: str, value: bytes) -> StaffMember:
    """Read a record of mandaat.staff. Raises Unreadable, also if the key does not match the record."""
    member = read(StaffMember, value)
    if key != member.key:
        raise Unreadable("key_mismatch", "The key of a staff record must be <tenant>/<agent_id> of its body.")
    return member
