"""The conclusions on a request, or on a verdict about one, and their reasons.

A conclusion says of itself what a decision needs to know of it: outcome, `by`, mandate and charges. A new one
is a class here; mypy then names every `match` that must handle it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, Literal, NamedTuple, TypeAlias

from engine.judging.budgets import Charges
from schemas.money import Money

NO_FIGURES: Final[Mapping[str, str | int | None]] = MappingProxyType({})


class Reason(NamedTuple):
    """A reason: a code, a sentence in English, the rule that it is about, and the figures that matter.

    :class:`schemas.decision.Reason` is the same in an event. Judging makes many reasons that no event holds,
    and a tuple takes a fraction of the time of a model.
    """

    code: str
    text: str
    mandate: str | None = None
    prohibition: str | None = None
    figures: Mapping[str, str | int | None] = NO_FIGURES


# Conclusions on a request


@dataclass(frozen=True, slots=True)
class Approved:
    """Within a mandate; `reasons` are of the candidates passed over."""

    outcome: ClassVar[Literal["approved"]] = "approved"
    on_the_spot: ClassVar[None] = None

    mandate: str
    reasons: tuple[Reason, ...] = ()
    charges: Charges = ()
    by: Literal["mandate", "discretion"] = "mandate"


@dataclass(frozen=True, slots=True)
class Escalated:
    """Somebody else must decide: the approvers of the step are asked.

    `on_the_spot`: the largest amount that could have been granted at once.
    """

    outcome: ClassVar[Literal["escalated"]] = "escalated"
    by: ClassVar[None] = None
    mandate: ClassVar[None] = None
    charges: ClassVar[Charges] = ()

    reasons: tuple[Reason, ...]
    on_the_spot: Money | None = None
    step: str = ""
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Prohibited, by each of the reasons; or nobody on the ladder may grant it."""

    outcome: ClassVar[Literal["refused"]] = "refused"
    mandate: ClassVar[None] = None
    charges: ClassVar[Charges] = ()
    on_the_spot: ClassVar[None] = None

    reasons: tuple[Reason, ...]
    by: Literal["prohibition", "ladder"] = "prohibition"


Conclusion: TypeAlias = Approved | Escalated | Refused


# Conclusions on a verdict


@dataclass(frozen=True, slots=True)
class Granted:
    """A person approved it under their own mandate. `reasons` are of their mandates that were passed over."""

    outcome: ClassVar[Literal["approved"]] = "approved"
    by: ClassVar[Literal["person"]] = "person"

    mandate: str
    money: Money | None
    reasons: tuple[Reason, ...] = ()
    charges: Charges = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A person rejected it."""

    outcome: ClassVar[Literal["refused"]] = "refused"
    by: ClassVar[Literal["person"]] = "person"
    mandate: ClassVar[None] = None
    money: ClassVar[None] = None
    reasons: ClassVar[tuple[Reason, ...]] = ()
    charges: ClassVar[Charges] = ()


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A person approved what is prohibited, so the request is refused."""

    outcome: ClassVar[Literal["refused"]] = "refused"
    by: ClassVar[Literal["prohibition"]] = "prohibition"
    mandate: ClassVar[None] = None
    money: ClassVar[None] = None
    charges: ClassVar[Charges] = ()

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """This person may not give this verdict. Nothing changes."""

    reasons: tuple[Reason, ...]


ClosingConclusion: TypeAlias = Granted | Rejected | Forbidden
VerdictConclusion: TypeAlias = ClosingConclusion | NotEntitled


class Requester(NamedTuple):
    """The role and team that the asking agent had at that moment; None if the agent is unknown."""

    role: str | None
    team: str | None
