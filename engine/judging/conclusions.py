"""The conclusions on a request or on a verdict, and their reasons.

Every conclusion has the fields that a decision needs: outcome, `by`, mandate, charges and warnings. A new
conclusion is one class here; mypy then reports every `match` that must handle it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, Literal, NamedTuple, TypeAlias

from engine.judging.budget_warnings import BudgetWarnings
from engine.judging.budgets import Charges
from schemas.money import Money

NO_FIGURES: Final[Mapping[str, str | int | None]] = MappingProxyType({})


class Reason(NamedTuple):
    """A reason: a code, a sentence in English, the rule that it is about, and its figures.

    :class:`schemas.decision.Reason` is the same in an event. This one is a tuple because judging makes many
    reasons that no event holds, and a tuple takes a fraction of the time of a model.
    """

    code: str
    text: str
    mandate: str | None = None
    prohibition: str | None = None
    figures: Mapping[str, str | int | None] = NO_FIGURES


# Conclusions on a request


@dataclass(frozen=True, slots=True)
class Approved:
    """A mandate grants the request. `reasons`: those of the candidates before it."""

    outcome: ClassVar[Literal["approved"]] = "approved"
    on_the_spot: ClassVar[None] = None

    mandate: str
    reasons: tuple[Reason, ...] = ()
    charges: Charges = ()
    by: Literal["mandate", "discretion"] = "mandate"
    warnings: BudgetWarnings = ()


class OwnCover(NamedTuple):
    """A person's mandate for the request, its limit if it has one, and whether it covers the request."""

    mandate: str
    limit: Money | None
    grants: bool


class ToldPerson(NamedTuple):
    """A person who is told, for whom they stand in, and what their own mandate covers, if it covers this."""

    agent_id: str
    stands_in_for: str | None
    covers: OwnCover | None


@dataclass(frozen=True, slots=True)
class Escalated:
    """Somebody else must decide: the approvers of the step are asked.

    `on_the_spot`: the largest amount that could have been granted at once. `told`: the first of the
    approvers, with what they may read about their own part.
    """

    outcome: ClassVar[Literal["escalated"]] = "escalated"
    by: ClassVar[None] = None
    mandate: ClassVar[None] = None
    charges: ClassVar[Charges] = ()
    warnings: ClassVar[BudgetWarnings] = ()

    reasons: tuple[Reason, ...]
    on_the_spot: Money | None = None
    step: str = ""
    approvers: tuple[str, ...] = ()
    told: tuple[ToldPerson, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused because prohibitions apply, one reason each; or because nobody on the ladder may grant it."""

    outcome: ClassVar[Literal["refused"]] = "refused"
    mandate: ClassVar[None] = None
    charges: ClassVar[Charges] = ()
    warnings: ClassVar[BudgetWarnings] = ()
    on_the_spot: ClassVar[None] = None

    reasons: tuple[Reason, ...]
    by: Literal["prohibition", "ladder"] = "prohibition"


Conclusion: TypeAlias = Approved | Escalated | Refused


# Conclusions on a verdict


@dataclass(frozen=True, slots=True)
class Granted:
    """A person approved the request under their own mandate. `reasons`: those of their mandates before it."""

    outcome: ClassVar[Literal["approved"]] = "approved"
    by: ClassVar[Literal["person"]] = "person"

    mandate: str
    money: Money | None
    reasons: tuple[Reason, ...] = ()
    charges: Charges = ()
    warnings: BudgetWarnings = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A person rejected the request."""

    outcome: ClassVar[Literal["refused"]] = "refused"
    by: ClassVar[Literal["person"]] = "person"
    mandate: ClassVar[None] = None
    money: ClassVar[None] = None
    reasons: ClassVar[tuple[Reason, ...]] = ()
    charges: ClassVar[Charges] = ()
    warnings: ClassVar[BudgetWarnings] = ()


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A person approved a prohibited request, so it is refused."""

    outcome: ClassVar[Literal["refused"]] = "refused"
    by: ClassVar[Literal["prohibition"]] = "prohibition"
    mandate: ClassVar[None] = None
    money: ClassVar[None] = None
    charges: ClassVar[Charges] = ()
    warnings: ClassVar[BudgetWarnings] = ()

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """This person may not give this verdict. Nothing changes."""

    reasons: tuple[Reason, ...]


ClosingConclusion: TypeAlias = Granted | Rejected | Forbidden
VerdictConclusion: TypeAlias = ClosingConclusion | NotEntitled


class Requester(NamedTuple):
    """The role and team of the asking agent at the time of the request; None if the agent is unknown."""

    role: str | None
    team: str | None
