"""The topics: names, what is in them, and the settings they must have (LEDGER.md, Topics)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas import types
from schemas.model import Frozen
from schemas.policy_record import PolicyRecord
from schemas.staff import StaffMember

INBOUND: Final = "mandaat.inbound"
CASES: Final = "mandaat.cases"
REPLIES: Final = "mandaat.replies"
DECISIONS: Final = "mandaat.decisions"
NOTICES: Final = "mandaat.notices"
STAFF: Final = "mandaat.staff"
POLICIES: Final = "mandaat.policies"
DEAD_LETTERS: Final = "mandaat.dead-letters"

BODY_LIMIT_BYTES: Final = 128 * 1024
"""A case over HTTP or in mandaat.inbound may be this large."""
INBOUND_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""What mandaat.inbound takes at all, so that what is too large can become a dead letter."""
DEAD_LETTER_LIMIT_BYTES: Final = 5 * 1024 * 1024
POLICY_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""Room for a policy of some 10,000 mandates."""

_DAY_MS: Final = 24 * 60 * 60 * 1000
CASES_RETENTION_MS: Final = 30 * _DAY_MS


@dataclass(frozen=True)
class Sizes:
    """What differs from one installation to another. T and S are LEDGER.md's, in milliseconds."""

    partitions: int = 12
    replication: int = 3
    fence_ms: int = 5000
    clock_ms: int = 1000

    @property
    def min_insync_replicas(self) -> int:
        """How many replicas must have a record before it is acknowledged."""
        return max(1, self.replication - 1)


@dataclass(frozen=True)
class Topic:
    """One topic: who writes it, who reads it, the event types in it, and its settings beside the common ones.

    A service that reads what it wrote itself, to know again where it stood, is no reader.
    """

    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    purpose: str
    types: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    fenced: bool = False
    content_type: str = "application/cloudevents+json"
    key: str = "<tenant>/<case_id>"

    @property
    def from_to(self) -> str:
        """Who writes it for whom, in words."""
        return f"{', '.join(self.writers)} -> {', '.join(self.readers)}"

    def group_of(self, service: str) -> str | None:
        """The consumer group of a reader; None where all of it is followed as a table."""
        return None if ("cleanup.policy", "compact") in self.settings else f"mandaat-{service}"

    def config(self, sizes: Sizes) -> dict[str, str]:
        """The settings by name, as Kafka writes them."""
        config = {
            "cleanup.policy": "delete",
            "min.insync.replicas": str(sizes.min_insync_replicas),
            "unclean.leader.election.enable": "false",
            **dict(self.settings),
        }
        if self.fenced:
            config["message.timestamp.type"] = "CreateTime"
            config["message.timestamp.before.max.ms"] = str(sizes.fence_ms)
            config["message.timestamp.after.max.ms"] = str(sizes.clock_ms)
        return config


_FOR_EVER: Final = (("retention.ms", "-1"), ("retention.bytes", "-1"))
_A_MONTH: Final = (("retention.ms", str(CASES_RETENTION_MS)), ("retention.bytes", "-1"))
_COMPACTED: Final = (("cleanup.policy", "compact"),)

TOPICS: Final[tuple[Topic, ...]] = (
    Topic(
        INBOUND,
        ("contact-centre software",),
        ("intake",),
        "Cases and withdrawals: CloudEvents in structured or binary mode, or a bare case as JSON.",
        (types.CASE_SUBMITTED, types.CASE_WITHDRAWN),
        (
            *_A_MONTH,
            ("max.message.bytes", str(INBOUND_LIMIT_BYTES)),
            # The broker's time is when the case was accepted: a record read twice gives the same event.
            ("message.timestamp.type", "LogAppendTime"),
            # Whatever a sender compresses with is undone by the broker, which also bounds what it becomes.
            ("compression.type", "uncompressed"),
        ),
        content_type="application/cloudevents+json, application/json, or none",
        key="<tenant>/<case_id>, or none",
    ),
    Topic(
        CASES,
        ("intake",),
        ("rules", "notifier"),
        "Cases that were accepted, and requests that were withdrawn.",
        (types.CASE_SUBMITTED, types.CASE_WITHDRAWN),
        _A_MONTH,
    ),
    Topic(
        REPLIES,
        ("intake",),
        ("rules",),
        "What people send back on an approval.",
        (types.VERDICT_APPROVE, types.VERDICT_REJECT),
        _A_MONTH,
    ),
    Topic(
        DECISIONS,
        ("rules",),
        ("notifier", "anyone"),
        "The journal: every decision, and every change of an approval.",
        (
            *types.DECISION_TYPES.values(),
            types.APPROVAL_REQUESTED,
            types.APPROVAL_CLOSED,
            types.APPROVAL_LATE,
            types.APPROVAL_NOT_ENTITLED,
            types.LEDGER_MARKED,
        ),
        _FOR_EVER,
        fenced=True,
    ),
    Topic(
        NOTICES,
        ("notifier",),
        ("anyone",),
        "How telling each person ended.",
        (types.NOTICE_DELIVERED, types.NOTICE_FAILED),
        _A_MONTH,
    ),
    Topic(
        STAFF,
        ("command line",),
        ("rules", "notifier"),
        "Who works where; a null value removes.",
        settings=_COMPACTED,
        content_type="application/json",
        key="<tenant>/<agent_id>",
    ),
    Topic(
        POLICIES,
        ("command line",),
        ("rules",),
        "The active policy by tenant, every version by digest; a null value removes.",
        settings=(*_COMPACTED, ("max.message.bytes", str(POLICY_LIMIT_BYTES))),
        content_type="application/json",
        key="<tenant>, or <tenant>/<digest>",
    ),
    Topic(
        DEAD_LETTERS,
        ("intake", "rules", "notifier"),
        ("operations",),
        "What could not be handled: its bytes, key and headers, and why.",
        settings=(("retention.ms", "-1"), ("max.message.bytes", str(DEAD_LETTER_LIMIT_BYTES))),
        content_type="as it came",
        key="as it came",
    ),
)

RECORDS: Final[dict[str, type[Frozen]]] = {STAFF: StaffMember, POLICIES: PolicyRecord}
"""What the value of a record is where it is no CloudEvent."""


def short_name(name: str) -> str:
    """The name of a topic, or of an event's type, without `mandaat.` and without version."""
    return re.sub(r"^mandaat\.|\.v[0-9]+$", "", name)


SAME_PARTITIONS: Final = (CASES, REPLIES, DECISIONS)
"""Partition p of one goes with partition p of the others, by number."""

AT_LEAST: Final = frozenset({"retention.ms", "retention.bytes", "min.insync.replicas", "replication"})
"""More is as good; -1 is without end."""


def differences(where: str, found: Mapping[str, str | None], wanted: Mapping[str, str]) -> list[str]:
    """Each setting that is not as it must be, one sentence each; others may be as they are."""
    return [
        f"{where}: {name} is {found.get(name) or 'not set'}, must be {value}"
        for name, value in wanted.items()
        if not _as_good(name, found.get(name), value)
    ]


def _as_good(name: str, found: str | None, wanted: str) -> bool:
    if found is None:
        return False
    if name in AT_LEAST:
        return found in (wanted, "-1") or (wanted != "-1" and int(found) >= int(wanted))
    return set(found.split(",")) == set(wanted.split(","))  # Kafka's lists have no order
