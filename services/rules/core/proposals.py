"""What the rules conclude on a request before the ledger has settled it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.money import Money
from services.rules.core.policy.book import PolicyName

NO_FIGURES: Final[Mapping[str, str | None]] = MappingProxyType({})


class Reason(NamedTuple):
    """Why: a code, a sentence in English, what it is about, and the figures that matter."""

    code: str
    text: str
    mandate: str | None = None
    prohibition: str | None = None
    figures: Mapping[str, str | None] = NO_FIGURES


class Charge(NamedTuple):
    """What a variant takes from a budget, in minor units or a count. None yet: budgets are not supported."""

    budget: str
    scope: str
    window: str
    amount: int


@dataclass(frozen=True, slots=True)
class Approved:
    """Within a mandate; `reasons` are of the candidates passed over."""

    mandate: str
    reasons: tuple[Reason, ...] = ()
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True)
class Escalated:
    """Somebody else must decide. `on_the_spot`: the largest amount that could have been granted at once."""

    reasons: tuple[Reason, ...]
    on_the_spot: Money | None = None
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Prohibited, by each of the reasons."""

    reasons: tuple[Reason, ...]
    charges: tuple[Charge, ...] = ()


Variant = Approved | Escalated | Refused


class Asker(NamedTuple):
    """The role and team that the asking agent had at that moment; None where the agent is not known."""

    role: str | None
    team: str | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What may be concluded: the first variant whose charges all have room; the last has no charges.

    Without budgets there is exactly one.
    """

    variants: tuple[Variant, ...]
    asker: Asker
    policy: PolicyName = field(repr=False)

    @property
    def only(self) -> Variant:
        """The variant, where there is one."""
        (variant,) = self.variants
        return variant
