"""The labels of kinds of request that tenants give in their policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, TypeAlias

from pydantic_core import from_json

from schemas.errors import Unreadable
from schemas.policy_record import PolicyRecord
from schemas.reading import read

Labels: TypeAlias = Mapping[str, Mapping[str, str]]
"""The labels of a tenant: by kind, then by language. Text of people, not cleaned."""

NO_LABELS: Final[Labels] = {}


class LabelTable(Protocol):
    """The labels, by tenant."""

    def get(self, tenant: str) -> Labels | None:
        """The labels of the tenant's active policy, None where it has no policy."""
        ...

    def ready(self) -> str | None:
        """Why they cannot be looked up yet, or None."""
        ...


def read_labels(key: str, value: bytes) -> Labels:
    """The labels in a record of mandaat.policies. Raises Unreadable.

    Only the active policy of a tenant has its key without a slash; other versions are not read. Rules checks
    policies. Here, whatever is no label is left out, so that a letter never waits for a policy.
    """
    if "/" in key:
        return NO_LABELS
    record = read(PolicyRecord, value)
    try:
        policy = from_json(record.canonical_json or "{}")
    except ValueError:
        raise Unreadable("not_json", "/canonical_json: The policy is not JSON; publish it again.") from None
    kinds = policy.get("kinds") if isinstance(policy, dict) else None
    if not isinstance(kinds, dict):
        return NO_LABELS
    return {
        kind: {language: label for language, label in labels.items() if isinstance(label, str) and label}
        for kind, labels in kinds.items()
        if isinstance(labels, dict)
    }
