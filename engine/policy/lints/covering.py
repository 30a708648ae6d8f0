"""Find rows that answer every request that another row would answer.

One row covers another if all of these are true: it has at least the other's kinds and categories; it has no
`when` or the same `when`; it has no limit, the same limit or a higher one; and it has no budgets. Roles are
left to the caller, because several rows together may cover all roles of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from engine.expressions.evaluation import Expression
from engine.policy.book import Mandate, Prohibition

Categories: TypeAlias = frozenset[str] | None
_Key: TypeAlias = tuple[str | None, str | None, str | None]


class Row(NamedTuple):
    """The compared parts of a mandate or a prohibition. `limit`: minor units, an expression, or None."""

    id: str
    kinds: frozenset[str] | None
    roles: frozenset[str]
    categories: Categories
    when: str | None
    limit: int | str | None
    forbids: bool = False

    @classmethod
    def of_mandate(cls, row: Mandate) -> Row:
        """The row of a mandate, without its budgets."""
        limit = row.limit.text.strip() if isinstance(row.limit, Expression) else row.limit
        return cls(row.id, row.kinds, row.roles, row.categories, _text(row.when), limit)

    @classmethod
    def of_prohibition(cls, row: Prohibition, roles: frozenset[str]) -> Row:
        """The row of a prohibition. It applies to all of these roles except the excepted ones."""
        return cls(row.id, row.kinds, roles - row.excepted, row.categories, _text(row.when), None, True)


@dataclass(slots=True)
class _Alike:
    """The rows with the highest limits, out of rows that differ only in their limits."""

    unlimited: Row | None = None
    most: int = -1
    with_most: Row | None = None
    by_text: dict[str, Row] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        if row.limit is None:
            self.unlimited = self.unlimited or row
        elif isinstance(row.limit, str):
            self.by_text.setdefault(row.limit, row)
        elif row.limit > self.most:
            self.most, self.with_most = row.limit, row

    def covering(self, limit: int | str | None) -> Row | None:
        if self.unlimited is not None or limit is None:
            return self.unlimited
        if isinstance(limit, str):
            return self.by_text.get(limit)
        return self.with_most if limit <= self.most else None


class Coverage:
    """Rows that may cover others. A look-up by kind, condition and category takes constant time."""

    def __init__(self) -> None:
        self._rows: dict[_Key, dict[tuple[frozenset[str], Categories], _Alike]] = {}

    def add(self, row: Row) -> None:
        """Add a row that may cover others."""
        for kind in row.kinds or (None,):
            for category in row.categories or (None,):
                alike = self._rows.setdefault((kind, row.when, category), {})
                alike.setdefault((row.roles, row.categories), _Alike()).add(row)

    def of(self, row: Row, kind: str | None) -> Iterator[Row]:
        """The rows that cover this row for a kind (None: every kind), each for its own roles only."""
        for key in self._keys(row, kind):
            for (_, categories), alike in self._rows.get(key, {}).items():
                wider = categories is None or (row.categories is not None and categories >= row.categories)
                if wider and (cover := alike.covering(row.limit)) is not None:
                    yield cover

    @staticmethod
    def _keys(row: Row, kind: str | None) -> Iterator[_Key]:
        one = None if row.categories is None else min(row.categories)
        for of_kind in dict.fromkeys((None, kind)):
            for when in dict.fromkeys((None, row.when)):
                for category in dict.fromkeys((None, one)):
                    yield of_kind, when, category


def _text(when: Expression | None) -> str | None:
    return None if when is None else when.text.strip()
