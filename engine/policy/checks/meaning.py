"""Check the meaning of a policy: roles, ids, money and expressions.

The checks work on the tree. So they find all problems even if another part of the file has the wrong shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.expressions.compiling import Compiled, Wanted, compile_expression
from engine.expressions.evaluation import Expression, Failure
from engine.expressions.names import FIELDS, RESERVED, ROOTS
from engine.expressions.translation import Definition
from engine.policy.amount_texts import number_in, share_in
from engine.policy.checks.budgets import read_budgets
from engine.policy.checks.money import read_money
from engine.policy.checks.roles import with_those_that_extend
from engine.policy.checks.working_hours import check_working_hours
from engine.policy.problems import PolicyProblem, problem, warning
from engine.policy.tree import Node, each, one_or_list, short
from schemas.ids import NAME
from schemas.money import exponent

_IS_ID: Final = re.compile(NAME)
_IS_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?|[0-9]+,[0-9]{1,2}")
"""A number, or one with a decimal comma; an expression may be a number."""


_ROOTS_FIRST: Final = ("agent", "customer", "case", "request")
"""Of a field that several of them have, the last counts."""


@dataclass(slots=True)
class Meaning:
    """The problems, and the compiled values of the policy's nodes."""

    problems: list[PolicyProblem] = field(default_factory=list)
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    expressions: dict[int, Expression] = field(default_factory=dict)
    """Compiled expressions by the `id()` of their node. Valid only while the tree exists."""
    amounts: dict[int, int] = field(default_factory=dict)
    """Caps and numeric limits, in minor units, by the `id()` of their node."""


def read_meaning(tree: Node) -> Meaning:
    """Check the file. All problems are in `problems`; nothing is raised."""
    return _MeaningReader(tree).read()


class _MeaningReader:
    def __init__(self, tree: Node) -> None:
        self._tree = tree
        self._found = Meaning()
        self._decimals = 2
        self._definitions: dict[str, Definition] = {}
        self._compiled: dict[tuple[str, Wanted], Compiled] = {}

    def read(self) -> Meaning:
        self._read_roles()
        self._read_definitions()
        self._decimals = self._read_currency()
        self._read_timezone()
        for section, roles_key in (("prohibitions", "except"), ("mandates", "to")):
            self._read_ids(section)
            for row in each(self._tree.get(section)):
                self._check_kinds(row.get("kinds" if section == "prohibitions" else "grants"))
                self._check_roles(row.get(roles_key))
                self._check_twice(row.get("categories"))
                self._read_expression(row.get("when"), "condition")
                self._read_limit(row.get("limit"))
                if (discretion := row.get("discretion")) is not None:
                    self._check_roles(discretion.get("reviewer"))
        self._read_ladder()
        budgets = read_budgets(self._tree, self._decimals)
        self._found.amounts |= budgets.caps
        self._found.problems += [*budgets.problems, *check_working_hours(self._tree)]
        return self._found

    def _add_problem(self, node: Node, text: str) -> None:
        self._found.problems.append(problem(node.spot, text))

    # Roles and ids

    def _read_roles(self) -> None:
        roles = self._tree.get("roles")
        extends: dict[str, list[str]] = {}
        for name, (_, entry) in ((roles and roles.entries) or {}).items():
            extends[name] = [node.text for node in one_or_list(entry.get("extends")) if node.text]
        for name in extends:
            entry_node = roles.get(name) if roles else None
            self._check_roles(entry_node.get("extends") if entry_node else None, extends)
        self._found.roles, cycles = with_those_that_extend(extends)
        for name in cycles:
            if roles is not None:
                spot = roles.key_spot(name)
                self._found.problems.append(
                    problem(spot, f"role `{name}` extends itself, directly or through another role")
                )

    def _check_roles(self, node: Node | None, known: Mapping[str, object] | None = None) -> None:
        names = self._found.roles if known is None else known
        for one in one_or_list(node):
            if one.text is not None and one.text not in names and one.text:
                close = get_close_matches(one.text, filter(_IS_ID.fullmatch, names), 1)
                hint = f"; did you mean `{close[0]}`?" if close else "; write it under `roles`"
                self._add_problem(one, f"there is no role `{short(one.text)}`{hint}")
        self._check_twice(node)

    def _check_kinds(self, node: Node | None) -> None:
        kinds = one_or_list(node)
        if len(kinds) > 1 and any(one.text == "*" for one in kinds):
            self._add_problem(kinds[0], '"*" already means every kind; remove the others')
        self._check_twice(node)

    def _check_twice(self, node: Node | None) -> None:
        seen: set[str] = set()
        for one in one_or_list(node):
            if one.text is not None and one.text in seen:
                self._add_problem(one, f"`{short(one.text)}` is listed twice")
            seen.add(one.text or "")

    def _read_ids(self, section: str) -> None:
        seen: dict[str, Node] = {}
        for row in each(self._tree.get(section)):
            name = row.get("id")
            if name is None or not name.text:
                continue
            if name.text in seen:
                line = seen[name.text].spot.line
                self._add_problem(
                    name, f"the id `{short(name.text)}` is already used in {section}, on line {line}"
                )
            seen.setdefault(name.text, name)

    def _read_ladder(self) -> None:
        ladders = list(each(self._tree.get("escalation")))
        for ladder in ladders[1:]:
            self._add_problem(ladder, "more than one entry of `escalation` is not supported yet; keep one")
        for ladder in ladders:
            for step in each(ladder.get("steps")):
                self._check_roles(step.get("to"))

    # Money and time

    def _read_currency(self) -> int:
        node = self._tree.get("currency")
        decimals = exponent(node.text) if node is not None and node.text is not None else None
        if node is not None and decimals is None and re.fullmatch("[A-Z]{3}", node.text or ""):
            self._add_problem(node, f"{node.text} is not a currency of ISO 4217")
        return 2 if decimals is None else decimals

    def _read_timezone(self) -> None:
        node = self._tree.get("timezone")
        if node is None or not isinstance(node.value, str) or not node.value:
            return
        try:
            ZoneInfo(node.value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._add_problem(
                node, f"there is no time zone {short(node.value)!r}; write one such as Europe/Amsterdam"
            )

    def _read_limit(self, node: Node | None) -> None:
        if node is None or isinstance(node.value, str):
            if node is None or not self._is_amount_text(node):
                self._read_expression(node, "amount")
            return
        minor = read_money(node, self._decimals, "a limit")
        if isinstance(minor, str):
            self._add_problem(node, minor)
        elif minor is not None:
            self._found.amounts[id(node)] = minor

    def _is_amount_text(self, node: Node) -> bool:
        """Whether a limit is an amount or a share in words, which is reported."""
        text = str(node.value).strip()
        share = share_in(text)
        if share is not None and "%" in text:
            self._add_problem(node, f"a limit has no percent sign; write `{share}`")
            return True
        number = None if _IS_NUMBER.fullmatch(text) else number_in(text)
        if number is not None:
            self._add_problem(node, f"a limit is a number only; write {number}")
        return number is not None

    # Expressions

    def _read_definitions(self) -> None:
        node = self._tree.get("define")
        entries = (node and node.entries) or {}
        later = set(entries)
        for name, (key, value) in entries.items():
            later.discard(name)
            if name in ROOTS or name in RESERVED:
                self._add_problem(key, f"`{name}` is already in use in expressions; choose another name")
                self._definitions[name] = Definition(None)
                continue
            if not isinstance(value.value, str) or not value.value.strip():
                self._definitions[name] = Definition(None)
                continue
            compiled = compile_expression(value.value, "either", self._definitions, later)
            self._report(value, compiled)
            self._definitions[name] = Definition(compiled.translation if compiled.expression else None)

    def _read_expression(self, node: Node | None, wanted: Wanted) -> None:
        if node is None or not isinstance(node.value, str) or not node.value.strip():
            return
        known = self._compiled.get((node.value, wanted))
        compiled = known or compile_expression(node.value, wanted, self._definitions)
        self._compiled[node.value, wanted] = compiled
        self._report(node, compiled)
        if compiled.expression is not None:
            self._found.expressions[id(node)] = compiled.expression
            self._check_constant(node, compiled.expression, wanted)

    def _check_constant(self, node: Node, expression: Expression, wanted: Wanted) -> None:
        value = expression.constant(wanted)
        if isinstance(value, Failure):
            self._add_problem(node, f"this always fails: {value.error}")
        elif value is False:
            self._found.problems.append(warning(node.spot, "this condition is never true"))
        elif isinstance(value, float) and value < 0:
            self._add_problem(node, "a limit cannot be negative")

    def _report(self, node: Node, compiled: Compiled) -> None:
        for flaw in compiled.flaws:
            say = warning if flaw.warning else problem
            self._found.problems.append(say(node.place(flaw.at), flaw.text + self._hint(flaw.text)))

    def _hint(self, text: str) -> str:
        """A hint for an unknown name: it is defined further down, or a similar name exists."""
        name = text.removeprefix("unknown name `").removesuffix("`")
        if name == text:
            return ""
        if (defined := self._tree.get("define")) is not None and defined.get(name) is not None:
            return "; `define` may only use the names above it"
        close = get_close_matches(name, [*self._definitions, *ROOTS], 1) or _fields_like(name)
        return f"; did you mean `{close[0]}`?" if close else ""


def _fields_like(name: str) -> list[str]:
    """The field that is written without what it belongs to: `request.amount` for `amount`."""
    fields = {field: f"{root}.{field}" for root in _ROOTS_FIRST for field in FIELDS[root]}
    return [fields[one] for one in get_close_matches(name, fields, 1, 0.8)]
