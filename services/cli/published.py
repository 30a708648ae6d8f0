"""The policies and the staff that are published, as their compacted topics hold them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from engine.policy import PolicyBook, PolicyProblems, load_policy
from schemas.errors import Unreadable
from schemas.policy_record import PolicyRecord
from schemas.reading import read
from schemas.staff import StaffMember, read_member
from schemas.topics import POLICIES, STAFF
from services.chassis.kafka.dead_letters import ConsumedRecord
from services.cli.kafka import read_to_the_end


class PublishedPolicy(NamedTuple):
    """A record of mandaat.policies, and when it was last published."""

    record: PolicyRecord
    at: datetime

    @property
    def short(self) -> str:
        """The beginning of its digest, as people name it."""
        return self.record.digest[:12]

    def book(self) -> PolicyBook | None:
        """The policy, as a worker of this version would load it; None if it could not use it."""
        try:
            return load_policy(self.record.canonical_json) if self.record.canonical_json else None
        except PolicyProblems:
            return None


class TenantPolicies(NamedTuple):
    """The active policy of a tenant, if any, and every version of it that was published, the newest last."""

    active: PublishedPolicy | None = None
    versions: tuple[PublishedPolicy, ...] = ()

    def is_active(self, version: PublishedPolicy) -> bool:
        """Whether this version is the active one."""
        return self.active is not None and self.active.record.digest == version.record.digest


async def read_policies(bootstrap: str) -> dict[str, TenantPolicies]:
    """The policies of every tenant. Records that are no policies are left out, as rules does not use them."""
    active: dict[str, PublishedPolicy] = {}
    versions: dict[str, list[PublishedPolicy]] = {}
    for key, row in (await _newest(bootstrap, POLICIES)).items():
        try:
            policy = PublishedPolicy(read(PolicyRecord, row.value), _time_of(row))
        except Unreadable:
            continue
        tenant, of_version, _ = key.partition("/")
        if of_version:
            versions.setdefault(tenant, []).append(policy)
        else:
            active[tenant] = policy
    return {
        tenant: TenantPolicies(
            active.get(tenant), tuple(sorted(versions.get(tenant, ()), key=lambda one: one.at))
        )
        for tenant in sorted(active.keys() | versions.keys())
    }


async def read_published_staff(bootstrap: str) -> dict[str, dict[str, StaffMember]]:
    """The staff of every tenant, by agent id. Records that are no staff are left out."""
    found: dict[str, dict[str, StaffMember]] = {}
    for key, row in sorted((await _newest(bootstrap, STAFF)).items()):
        try:
            member = read_member(key, row.value or b"")
        except Unreadable:
            continue
        found.setdefault(member.tenant, {})[member.agent_id] = member
    return found


async def _newest(bootstrap: str, topic: str) -> dict[str, ConsumedRecord]:
    """The newest record of each key; a null value removes its key."""
    rows: dict[str, ConsumedRecord] = {}
    async for record in read_to_the_end(bootstrap, topic):
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            rows.pop(key, None)
        else:
            rows[key] = record
    return rows


def _time_of(record: ConsumedRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
