"""How one try over a channel ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Delivered:
    """The other side accepted it."""


@dataclass(frozen=True)
class Passing:
    """It failed now and may succeed later. `reason` holds no address, name or text."""

    reason: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Permanent:
    """It will never succeed. `reason` holds no address, name or text."""

    reason: str


Outcome: TypeAlias = Delivered | Passing | Permanent
