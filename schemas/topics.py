"""The topics: their names, contents, writers and readers, and the settings that they must have.

docs/ledger.md, Topics, gives the reasons for the settings. schemas.types has the event types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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
"""The largest case, over HTTP or in mandaat.inbound."""
INBOUND_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""The largest record in mandaat.inbound. A case that is too large for intake still fits, as a dead letter."""
DEAD_LETTER_LIMIT_BYTES: Final = 5 * 1024 * 1024
POLICY_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""The largest record in mandaat.policies: a policy of about 10,000 mandates."""

_DAY_MS: Final = 24 * 60 * 60 * 1000
CASES_RETENTION_MS: Final = 30 * _DAY_MS


@dataclass(frozen=True)
class Sizes:
    """The settings that differ between installations. docs/ledger.md calls fence_ms T and clock_ms S."""

    partitions: int = 12
    replication: int = 3
    fence_ms: int = 5000
    clock_ms: int = 1000

    @property
    def min_insync_replicas(self) -> int:
        """The number of replicas that must have a record before it is acknowledged."""
        return max(1, self.replication - 1)


@dataclass(frozen=True)
class Topic:
    """One topic: its writers and readers, and its settings in addition to the common ones.

    A service that only reads its own records, to find where it stopped, does not count as a reader.
    """

    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    purpose: str
    settings: tuple[tuple[str, str], ...] = ()
    fenced: bool = False
    content_type: str = "application/cloudevents+json"
    key: str = "<tenant>/<case_id>"
    followers: tuple[str, ...] = ()
    """The readers that read it without a group: each of their processes sees every record."""

    @property
    def from_to(self) -> str:
        """The writers and readers, as text."""
        return f"{', '.join(self.writers)} -> {', '.join(self.readers)}"

    def group_of(self, service: str) -> str | None:
        """The consumer group of a reader; None if it reads without a group, as a table or as a follower."""
        grouped = ("cleanup.policy", "compact") not in self.settings and service not in self.followers
        return f"mandaat-{service}" if grouped else None

    def config(self, sizes: Sizes) -> dict[str, str]:
        """The settings of the topic, as Kafka writes them, by name."""
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
        (
            *_A_MONTH,
            ("max.message.bytes", str(INBOUND_LIMIT_BYTES)),
            # The broker's time is the time of acceptance, so reading a record twice gives the same event.
            ("message.timestamp.type", "LogAppendTime"),
            # The broker decompresses each record, and so limits its uncompressed size.
            ("compression.type", "uncompressed"),
        ),
        content_type="application/cloudevents+json, application/json, or none",
        key="<tenant>/<case_id>, or none",
    ),
    Topic(
        CASES,
        ("intake",),
        ("rules", "notifier"),
        "Accepted cases, and withdrawals of requests.",
        _A_MONTH,
    ),
    Topic(
        REPLIES,
        ("intake",),
        ("rules",),
        "Replies to approvals.",
        _A_MONTH,
    ),
    Topic(
        DECISIONS,
        ("rules",),
        ("intake", "notifier", "anyone"),
        "The journal: every decision, and every change of an approval.",
        _FOR_EVER,
        fenced=True,
        followers=("intake",),
    ),
    Topic(
        NOTICES,
        ("notifier",),
        ("anyone",),
        "The result of each notice.",
        _A_MONTH,
    ),
    Topic(
        STAFF,
        ("command line",),
        ("intake", "rules", "notifier"),
        "Members of staff; a null value removes one.",
        settings=_COMPACTED,
        content_type="application/json",
        key="<tenant>/<agent_id>",
    ),
    Topic(
        POLICIES,
        ("command line",),
        ("intake", "rules", "notifier"),
        "The active policy of each tenant, and every version by its digest; a null value removes one.",
        settings=(*_COMPACTED, ("max.message.bytes", str(POLICY_LIMIT_BYTES))),
        content_type="application/json",
        key="<tenant>, or <tenant>/<digest>",
    ),
    Topic(
        DEAD_LETTERS,
        ("intake", "rules", "notifier"),
        ("notifier", "operations"),
        "Records that could not be handled, with their bytes, key and headers, and the reason.",
        settings=(("retention.ms", "-1"), ("max.message.bytes", str(DEAD_LETTER_LIMIT_BYTES))),
        followers=("notifier",),
        content_type="that of the record",
        key="that of the record",
    ),
)

RECORDS: Final[dict[str, type[Frozen]]] = {STAFF: StaffMember, POLICIES: PolicyRecord}
"""Topic -> model of its values, for the topics whose values are not CloudEvents."""


def short_name(name: str) -> str:
    """The name of a topic or an event type, without `mandaat.` and without the version."""
    return re.sub(r"^mandaat\.|\.v[0-9]+$", "", name)


def event_topics_of(service: str) -> tuple[str, ...]:
    """The topics in which a service writes events. It may write dead letters too."""
    return tuple(topic.name for topic in TOPICS if service in topic.writers and topic.name != DEAD_LETTERS)


SAME_PARTITIONS: Final = (CASES, REPLIES, DECISIONS)
"""Topics with the same partitions: a case is in the same partition of each."""

AT_LEAST: Final = frozenset({"retention.ms", "retention.bytes", "min.insync.replicas", "replication"})
"""Settings that may be higher than required; -1 means no limit."""


def differences(where: str, found: Mapping[str, str | None], wanted: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that differs from the required value. Other settings are not checked."""
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
