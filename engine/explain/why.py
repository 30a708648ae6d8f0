"""Explain a decision: rule by rule, then the outcome.

The explanation is made from the decision and its reasons. The figures come from the same judge and counters
as the decision, so they cannot contradict it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.explain.decided_request import DecidedRequest
from engine.explain.explanation_line import BLANK, ExplanationLine
from engine.explain.holdings import counter_for, room_of
from engine.explain.outcome import outcome_lines
from engine.explain.quoting import failed, quoted
from engine.explain.words import Speech
from engine.expressions.evaluation import Expression, Failure, Surroundings
from engine.judging.budgets import Spender, charges, renews_at
from engine.judging.mandates import Judge
from engine.policy.book import Budget, Mandate, Prohibition
from schemas.staff import StaffMember

_MOST_NAMED: Final = 30
"""The most mandates for other kinds that are named; more are only counted."""
_BEFORE_LIMIT: Final = frozenset(("condition_not_met", "discretion_needs_reason"))


def explain(decided: DecidedRequest, speech: Speech) -> list[ExplanationLine]:
    """The explanation, line by line."""
    return list(_Explanation(decided, speech).lines())


class _Explanation:
    def __init__(self, decided: DecidedRequest, speech: Speech) -> None:
        self._decided = decided
        self._speech = speech
        self._case, self._book = decided.case, decided.book
        agent_id = decided.case.agent_id
        self._agent: StaffMember | None = None if agent_id is None else decided.staff.get(agent_id)
        self._around = Surroundings(decided.case, self._agent, decided.now, decided.case.request.money)
        self._judge = Judge(self._around, decided.book.currency)
        reasons: list[Mapping[str, Any]] = decided.decision["reasons"]
        self._of_mandate = {one["mandate"]: one for one in reasons if "mandate" in one}
        self._of_prohibition = {one["prohibition"]: one for one in reasons if "prohibition" in one}

    def lines(self) -> Iterator[ExplanationLine]:
        yield self._line(0, self._asked_key(), **self._asked())
        yield self._line(0, "why.policy", name=self._book.name, version=self._book.version)
        prohibitions = self._book.prohibitions.every()
        if prohibitions:
            yield BLANK
            yield self._line(0, "why.prohibitions")
        for prohibition in prohibitions:
            yield from self._prohibition(prohibition)
        yield BLANK
        yield self._line(0, "why.mandates")
        yield from self._mandates()
        yield BLANK
        yield from outcome_lines(self._decided, self._speech)

    def _line(self, depth: int, key: str, **figures: object) -> ExplanationLine:
        return ExplanationLine(depth, self._speech.say(key, **figures))

    # What was asked

    def _asked_key(self) -> str:
        return "why.asked" if self._case.request.amount is None else "why.asked.amount"

    def _asked(self) -> dict[str, object]:
        case, agent, speech = self._case, self._agent, self._speech
        if agent is not None:
            role = speech.name(agent.role)
            who = speech.say("who.known", name=agent.name, role=role, team=agent.team)
        elif case.agent_id is not None:
            who = speech.say("who.unknown", agent=case.agent_id)
        else:
            who = speech.say("who.nobody")
        money = case.request.money
        return {
            "who": who,
            "kind": speech.kind(case.request.kind),
            "amount": None if money is None else speech.amount(money),
            "customer": case.customer.id,
            "case": case.case_id,
            "moment": speech.moment(self._decided.now),
        }

    # Prohibitions

    def _prohibition(self, row: Prohibition) -> Iterator[ExplanationLine]:
        reason = self._of_prohibition.get(row.id)
        if reason is not None:
            key = "applies" if reason["code"] == "prohibited" else "not_judged"
            said: dict[str, object] = {"prohibition": row.id, "reason": row.reason}
            if key == "applies" and row.named:
                key = "applies.except"
                said["roles"] = self._speech.any_of(map(self._speech.name, row.named))
            yield self._line(1, f"prohibition.{key}", **said)
            yield from self._when(row.when, 2)
            return
        request = self._case.request
        role = None if self._agent is None else self._agent.role
        figures: dict[str, object] = {"prohibition": row.id, "kind": self._speech.kind(request.kind)}
        if row.kinds is not None and request.kind not in row.kinds:
            yield self._line(1, "prohibition.other_kind", **figures)
        elif row.categories is not None and self._case.category not in row.categories:
            categories = self._speech.any_of(sorted(row.categories))
            yield self._line(1, "prohibition.other_category", categories=categories, **figures)
        elif role is not None and role in row.excepted:
            yield self._line(1, "prohibition.excepted", role=self._speech.name(role), **figures)
        elif row.when is not None and self._judge.condition(row.when) is False:
            yield self._line(1, "prohibition.not_met", **figures)
            yield from self._when(row.when, 2)
        else:
            yield self._line(1, "prohibition.unneeded", **figures)
            yield from self._when(row.when, 2)

    # Mandates

    def _mandates(self) -> Iterator[ExplanationLine]:
        rows = {row.place: row for by_kind in self._book.mandates.values() for row in by_kind.every()}
        ordered = sorted(rows.values(), key=lambda row: (row.discretion is not None, row.place))
        kind = self._case.request.kind
        others = [row.id for row in ordered if row.kinds is not None and kind not in row.kinds]
        for row in ordered:
            if row.kinds is None or kind in row.kinds:
                yield from self._mandate(row)
        if others:
            key = "mandate.other_kinds" if len(others) <= _MOST_NAMED else "mandate.other_kinds.many"
            named = {"mandates": ", ".join(others), "number": len(others), "kind": self._speech.kind(kind)}
            yield self._line(1, key, **named)

    def _mandate(self, row: Mandate) -> Iterator[ExplanationLine]:
        key = self._standing(row)
        figures = self._figures_of(row)
        reason = self._speech.reason(key, **figures)
        yield self._line(1, f"mandate.{key}", **figures) if reason is None else ExplanationLine(1, reason)
        if row.id == self._decided.decision["mandate"] or row.id in self._of_mandate:
            yield from self._details(row, key)

    def _standing(self, row: Mandate) -> str:
        """The reason that the decision gives for this mandate, or why it was not tried."""
        reason = self._of_mandate.get(row.id)
        if reason is not None:
            return str(reason["code"])
        if row.id == self._decided.decision["mandate"]:
            return "granted"
        if self._agent is None:
            return "other_role.nobody"
        if self._agent.role not in row.roles:
            return "other_role"
        if row.categories is not None and self._case.category not in row.categories:
            return "other_category"
        if row.discretion is not None and not self._case.request.discretion:
            return "discretion_not_asked"
        return "not_needed" if self._decided.decision["mandate"] is not None else "not_tried"

    def _figures_of(self, row: Mandate) -> dict[str, object]:
        role = "" if self._agent is None else self._agent.role
        return {
            "mandate": row.id,
            "name": "" if self._agent is None else self._agent.name,
            "role": self._speech.name(role),
            "roles": self._speech.any_of(self._speech.name(one) for one in self._named_roles(row)),
            "categories": self._speech.any_of(sorted(row.categories or {""})),
        }

    def _named_roles(self, row: Mandate) -> list[str]:
        """The roles that a mandate names, without the roles that extend them."""
        above = {name for role in row.roles for name in self._book.roles[role] - {role}}
        return sorted(row.roles - above)

    def _details(self, row: Mandate, key: str) -> Iterator[ExplanationLine]:
        """The condition, the limit and the budgets, as far as they were judged."""
        if key == "discretion_needs_reason":
            return
        yield from self._when(row.when, 2)
        if key in _BEFORE_LIMIT or (
            row.when is not None and isinstance(self._judge.condition(row.when), Failure)
        ):
            return
        yield from self._limit(row.limit, 2)
        if key in ("granted", "budget_exhausted", "over_limit"):
            for budget in row.budgets:
                yield from self._budget(budget, key)

    def _when(self, when: Expression | None, depth: int) -> Iterator[ExplanationLine]:
        if when is None:
            return
        met, text = self._judge.condition(when), when.text
        if isinstance(met, Failure):
            yield ExplanationLine(depth, failed("why.when", met, self._speech, condition=text))
        else:
            yield self._line(depth, "why.when.true" if met else "why.when.false", condition=text)
        yield from quoted(when, self._around, self._book.define, self._speech, depth + 1)

    def _limit(self, limit: int | Expression | None, depth: int) -> Iterator[ExplanationLine]:
        if limit is None:
            yield self._line(depth, "why.limit.none")
            return
        minor, money = self._judge.limit(limit), self._case.request.money
        formula = limit.text if isinstance(limit, Expression) else None
        if isinstance(minor, Failure):
            yield ExplanationLine(depth, failed("why.formula", minor, self._speech, formula=formula))
        else:
            outcome = "no_amount" if money is None else "within" if money.minor <= minor else "over"
            key = f"why.{'limit' if formula is None else 'formula'}.{outcome}"
            amount = None if money is None else self._speech.amount(money)
            yield self._line(depth, key, limit=self._speech.minor(minor), amount=amount, formula=formula)
        if isinstance(limit, Expression):
            yield from quoted(limit, self._around, self._book.define, self._speech, depth + 1)

    def _budget(self, budget: Budget, key: str) -> Iterator[ExplanationLine]:
        case, agent, book, speech = self._case, self._agent, self._book, self._speech
        if agent is None:
            return
        at = self._decided.now.astimezone(book.zone)
        counter = counter_for(budget, book, agent, at, case.customer.id, case.case_id)
        if counter is None:
            return
        room = room_of(counter, self._decided.use_of, at)
        figures: dict[str, object] = {
            "budget": budget.id,
            "cap": speech.of_budget(budget, counter.cap),
            "window": speech.window(budget),
            "scope": speech.whose(counter.scope),
            "used": speech.of_budget(budget, room.used),
            "left": speech.of_budget(budget, room.left),
        }
        spender = Spender(book.tenant, agent.agent_id, agent.team, case.customer.id, case.case_id)
        needed = charges((budget,), spender, case.request.money, at) if key != "over_limit" else ()
        if not needed:
            yield self._line(2, "why.budget", **figures)
            return
        (charge,) = needed
        figures["needed"] = speech.of_budget(budget, charge.amount)
        if charge.amount <= room.left:
            yield self._line(2, "why.budget.fits", **figures)
            return
        yield self._line(2, "why.budget.exhausted", **figures)
        renews = renews_at(charge, self._decided.use_of(charge), at)
        if renews is None:
            yield self._line(3, "why.budget.never")
        else:
            yield self._line(3, "why.budget.renews", moment=speech.moment(renews))
