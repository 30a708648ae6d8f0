"""A compiled policy, with its rows found by role and kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, NamedTuple, Protocol, TypeVar
from zoneinfo import ZoneInfo

from engine.expressions.evaluation import Expression


@dataclass(frozen=True, slots=True)
class Prohibition:
    """A prohibition. If `kinds` or `categories` is None, it applies to all of them.

    `excepted` includes the roles that extend an excepted role. `named`: the excepted roles as written.
    """

    id: str
    place: int
    kinds: frozenset[str] | None
    categories: frozenset[str] | None
    when: Expression | None
    excepted: frozenset[str]
    reason: str
    named: tuple[str, ...] = ()


Per = Literal["agent", "team", "customer", "case", "tenant"]
WindowKind = Literal["hour", "day", "week", "month", "quarter", "year", "days"]
WhenNobody = Literal["last_step", "refuse"]
UTC: Final = ZoneInfo("UTC")


class Window(NamedTuple):
    """The window of a budget: a calendar window, or any run of `days` calendar days (`Nd`, kind `days`)."""

    kind: WindowKind
    days: int = 0

    @property
    def text(self) -> str:
        """The window as the policy writes it: `day`, `30d`."""
        return f"{self.days}d" if self.kind == "days" else self.kind


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget. It has either a `cap` (minor units of the policy's currency) or a `count` (decisions).

    `id` is as in charges; the id of an inline budget is `<mandate>.<id>`.
    """

    id: str
    per: Per
    window: Window
    cap: int | None = None
    count: int | None = None
    warn_at: int | None = None
    """The use, in percent of the cap or count, from which a decision carries a warning."""

    @property
    def most(self) -> int:
        """The cap, or the count, for one window."""
        return (self.count or 0) if self.cap is None else self.cap


class Discretion(NamedTuple):
    """The discretion of a mandate. `review_within` is as written (`5d`); `reviewer` is a role."""

    review_within: str | None = None
    reviewer: str | None = None


@dataclass(frozen=True, slots=True)
class Mandate:
    """A mandate. `roles` includes the roles that extend a role that it names.

    `limit`: minor units, an expression in major units, or None for no limit.
    """

    id: str
    place: int
    kinds: frozenset[str] | None
    roles: frozenset[str]
    categories: frozenset[str] | None
    when: Expression | None
    limit: int | Expression | None
    budgets: tuple[Budget, ...] = ()
    discretion: Discretion | None = None
    """None for an ordinary mandate."""


class PolicyName(NamedTuple):
    """The policy as a decision names it."""

    name: str
    version: str
    digest: str


class _Row(Protocol):
    @property
    def place(self) -> int: ...
    @property
    def kinds(self) -> frozenset[str] | None: ...


Row = TypeVar("Row", bound=_Row)


class ByKind(Generic[Row]):
    """The rows for each kind, in file order, including the rows for every kind.

    The rows of a kind are collected on first use, and only for kinds that the policy names. So kinds that
    cases make up cannot make it grow.
    """

    __slots__ = ("_found", "_of_every_kind", "_of_kind")

    def __init__(self, rows: Iterable[Row]) -> None:
        of_kind: dict[str, list[Row]] = defaultdict(list)
        every: list[Row] = []
        for row in rows:
            if row.kinds is None:
                every.append(row)
            for kind in row.kinds or ():
                of_kind[kind].append(row)
        self._of_kind = dict(of_kind)
        self._of_every_kind = tuple(every)
        self._found: dict[str, tuple[Row, ...]] = {}

    def find(self, kind: str) -> tuple[Row, ...]:
        """The rows for this kind, in file order."""
        found = self._found.get(kind)
        if found is None:
            named = self._of_kind.get(kind)
            if named is None:
                return self._of_every_kind
            found = tuple(sorted((*named, *self._of_every_kind), key=lambda row: row.place))
            self._found[kind] = found
        return found

    def every(self) -> list[Row]:
        """All rows, in file order."""
        rows = {row.place: row for of_kind in self._of_kind.values() for row in of_kind}
        rows |= {row.place: row for row in self._of_every_kind}
        return [rows[place] for place in sorted(rows)]


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """A compiled policy. `roles`: for each role, the role itself and all roles that extend it."""

    ref: PolicyName
    currency: str
    timezone: str | None
    roles: Mapping[str, frozenset[str]]
    prohibitions: ByKind[Prohibition]
    mandates: Mapping[str, ByKind[Mandate]]
    """The mandates of each role, including those of the roles that it extends."""
    steps: tuple[str, ...]
    """The roles of the ladder, in order."""
    when_nobody: WhenNobody = "last_step"
    """The outcome of a request that nobody on the ladder may grant."""
    zone: ZoneInfo = UTC
    """The time zone of the windows of budgets."""
    define: Mapping[str, str] = field(default_factory=dict)
    """The names of `define`, with their expressions."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The labels of kinds: by kind, then by language."""

    @property
    def step(self) -> str:
        """The role of the first step."""
        return self.steps[0]

    @property
    def tenant(self) -> str:
        """The tenant of the policy."""
        return self.ref.name

    @property
    def name(self) -> str:
        """The policy's name: its tenant."""
        return self.ref.name

    @property
    def version(self) -> str:
        """The version, as the author of the policy named it."""
        return self.ref.version

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON (RFC 8785) of the document, in hexadecimal."""
        return self.ref.digest

    def candidates(self, role: str, kind: str, category: str | None) -> list[Mandate]:
        """The candidates for a person of this role, in file order."""
        by_kind = self.mandates.get(role)
        if by_kind is None:
            return []
        return [row for row in by_kind.find(kind) if row.categories is None or category in row.categories]

    def prohibitions_on(self, kind: str, category: str | None, role: str | None) -> list[Prohibition]:
        """The prohibitions on this kind and category that do not except the role."""
        return [
            row
            for row in self.prohibitions.find(kind)
            if (row.categories is None or category in row.categories) and role not in row.excepted
        ]
