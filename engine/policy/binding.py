"""Turn a checked document into the book that the engine judges by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import cast
from zoneinfo import ZoneInfo

from engine.expressions.evaluation import Expression
from engine.judging.limits import in_minor_units
from engine.policy.book import (
    UTC,
    Budget,
    ByKind,
    Discretion,
    Mandate,
    PolicyBook,
    PolicyName,
    Prohibition,
    Window,
    WindowKind,
)
from engine.policy.checks.budgets import days_of
from engine.policy.checks.meaning import Meaning
from engine.policy.document import (
    EVERY_KIND,
    BudgetEntry,
    MandateEntry,
    PolicyDocument,
    ProhibitionEntry,
)
from engine.policy.tree import Node, one_or_list


def bind(document: PolicyDocument, tree: Node, meaning: Meaning, digest: str) -> PolicyBook:
    """The book of a document without errors."""
    prohibitions = [
        _prohibition(entry, place, tree, meaning) for place, entry in enumerate(document.prohibitions or ())
    ]
    shared = _shared_budgets(document, tree, meaning)
    by_role: dict[str, list[Mandate]] = defaultdict(list)
    for place, entry in enumerate(document.mandates):
        mandate = _mandate(entry, place, tree, meaning, document.currency, shared)
        for role in mandate.roles:
            by_role[role].append(mandate)
    ladder = document.escalation[0]
    return PolicyBook(
        ref=PolicyName(document.policy, document.version, digest),
        currency=document.currency,
        timezone=document.timezone,
        roles=meaning.roles,
        prohibitions=ByKind(prohibitions),
        mandates={role: ByKind(mandates) for role, mandates in by_role.items()},
        steps=tuple(step.to for step in ladder.steps),
        when_nobody=ladder.when_nobody or "last_step",
        zone=UTC if document.timezone is None else ZoneInfo(document.timezone),
        define=document.define or {},
        labels={kind: entry.model_dump(exclude_none=True) for kind, entry in (document.kinds or {}).items()},
    )


def _prohibition(entry: ProhibitionEntry, place: int, tree: Node, meaning: Meaning) -> Prohibition:
    return Prohibition(
        id=entry.id,
        place=place,
        kinds=_kinds(entry.kinds),
        categories=frozenset(entry.categories) if entry.categories else None,
        when=_when(tree.find(("prohibitions", place))[0], meaning),
        excepted=_roles(entry.except_ or [], meaning),
        reason=entry.reason,
        named=tuple(dict.fromkeys(entry.except_ or ())),
    )


def _shared_budgets(document: PolicyDocument, tree: Node, meaning: Meaning) -> dict[str, Budget]:
    return {
        name: _budget(name, entry, tree.find(("budgets", name))[0], meaning)
        for name, entry in (document.budgets or {}).items()
    }


def _budget(name: str, entry: BudgetEntry, node: Node, meaning: Meaning) -> Budget:
    days = days_of(entry.window)
    return Budget(
        id=name,
        per=entry.per,
        window=Window("days", days) if days else Window(cast("WindowKind", entry.window)),
        cap=None if entry.cap is None else meaning.amounts[id(node.get("cap"))],
        count=entry.count,
        warn_at=None if entry.warn_at is None else int(entry.warn_at.removesuffix("%")),
    )


def _mandate(
    entry: MandateEntry,
    place: int,
    tree: Node,
    meaning: Meaning,
    currency: str,
    shared: Mapping[str, Budget],
) -> Mandate:
    row = tree.find(("mandates", place))[0]
    budgets = zip(entry.budgets or (), one_or_list(row.get("budgets")), strict=True)
    discretion = entry.discretion
    return Mandate(
        id=entry.id,
        place=place,
        kinds=_kinds(entry.grants),
        roles=_roles(entry.to, meaning),
        categories=frozenset(entry.categories) if entry.categories else None,
        when=_when(row, meaning),
        limit=_limit(row, meaning, currency),
        budgets=tuple(
            shared[one]
            if isinstance(one, str)
            else _budget(f"{entry.id}.{one.id or number}", one, node, meaning)
            for number, (one, node) in enumerate(budgets, 1)
        ),
        discretion=None if discretion is None else Discretion(discretion.review_within, discretion.reviewer),
    )


def _kinds(kinds: list[str]) -> frozenset[str] | None:
    return None if EVERY_KIND in kinds else frozenset(kinds)


def _roles(names: list[str], meaning: Meaning) -> frozenset[str]:
    return frozenset().union(*(meaning.roles[name] for name in names))


def _when(row: Node, meaning: Meaning) -> Expression | None:
    node = row.get("when")
    expression = None if node is None else meaning.expressions[id(node)]
    return None if expression is not None and expression.constant("condition") is True else expression


def _limit(row: Node, meaning: Meaning, currency: str) -> int | Expression | None:
    node = row.get("limit")
    if node is None:
        return None
    if id(node) in meaning.amounts:
        return meaning.amounts[id(node)]
    expression = meaning.expressions[id(node)]
    constant = expression.constant("amount")
    return in_minor_units(constant, currency) if isinstance(constant, float) else expression
