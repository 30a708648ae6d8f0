"""How one try to tell somebody ended, whatever the channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Delivered:
    """The other side took it."""


@dataclass(frozen=True)
class Passing:
    """It did not work now and may later. `reason` holds no address, name or text."""

    reason: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Permanent:
    """It will never work. `reason` holds no address, name or text."""

    reason: str


Outcome: TypeAlias = Delivered | Passing | Permanent
