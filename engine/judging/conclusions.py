"""What the rules conclude on a request, and why. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from engine.judging.budgets import Charges
from schemas.money import Money

NO_FIGURES: Final[Mapping[str, str | int | None]] = MappingProxyType({})


class Reason(NamedTuple):
    """Why: a code, a sentence in English, what it is about, and the figures that matter."""

    code: str
    text: str
    mandate: str | None = None
    prohibition: str | None = None
    figures: Mapping[str, str | int | None] = NO_FIGURES


@dataclass(frozen=True, slots=True)
class Approved:
    """Within a mandate; `reasons` are of the candidates passed over."""

    mandate: str
    reasons: tuple[Reason, ...] = ()
    charges: Charges = ()
    by: Literal["mandate", "discretion"] = "mandate"


@dataclass(frozen=True, slots=True)
class Escalated:
    """Somebody else must decide: `approvers` are asked, whose turn it is as `step`.

    `on_the_spot`: the largest amount that could have been granted at once.
    """

    reasons: tuple[Reason, ...]
    on_the_spot: Money | None = None
    step: str = ""
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Prohibited, by each of the reasons; or by the ladder, as nobody on it may grant this."""

    reasons: tuple[Reason, ...]
    by: Literal["prohibition", "ladder"] = "prohibition"


Conclusion = Approved | Escalated | Refused


class Requester(NamedTuple):
    """The role and team that the asking agent had at that moment; None where the agent is not known."""

    role: str | None
    team: str | None
