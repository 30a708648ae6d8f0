"""Find budgets, roles and labels that are not used."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from engine.policy.book import PolicyBook
from engine.policy.document import EVERY_KIND
from engine.policy.problems import PolicyProblem, warning
from engine.policy.tree import Node, each, one_or_list, short


def unused_budgets(tree: Node) -> list[PolicyProblem]:
    """A warning at each budget that no mandate draws on."""
    shared = tree.get("budgets")
    used = {one.text for row in each(tree.get("mandates")) for one in one_or_list(row.get("budgets"))}
    return [
        warning(key.spot, f"no mandate draws on budget `{name}`")
        for name, (key, _) in ((shared.entries if shared is not None else None) or {}).items()
        if name not in used
    ]


def unused_labels(tree: Node) -> list[PolicyProblem]:
    """A warning at each label of a kind that no rule names; none if a mandate grants every kind."""
    rows = [(row, "grants") for row in each(tree.get("mandates"))]
    used = {one.text or "" for row, key in rows for one in one_or_list(row.get(key))}
    if EVERY_KIND in used:
        return []
    used |= {
        one.text or "" for row in each(tree.get("prohibitions")) for one in one_or_list(row.get("kinds"))
    }
    kinds = tree.get("kinds")
    problems = []
    for name, (key, _) in ((kinds.entries if kinds is not None else None) or {}).items():
        if name not in used:
            close = get_close_matches(name, used, 1)
            hint = f"; did you mean `{short(close[0])}`?" if close else "; remove its label"
            problems.append(warning(key.spot, f"no rule names kind `{name}`{hint}"))
    return problems


def unused_roles(book: PolicyBook, tree: Node, staff_roles: Collection[str] | None) -> list[PolicyProblem]:
    """A warning at each unused role: nothing names it, a role that it extends, or a role that extends it.

    If the staff is known, a role that somebody has is not reported. A role without mandates makes sense for
    trainees: without it, their role would be unknown.
    """
    named, staff = _named_roles(tree), frozenset(staff_roles or ())
    text = "role `{}` is not used: nothing names it, a role that it extends, or a role that extends it"
    if staff_roles is None:
        text += "; this is fine if people with it may not decide anything (check with `--staff FILE`)"
    related = {other for name in named for other in book.roles[name]}
    related |= {name for name, below in book.roles.items() if below & named}
    return [
        _at_role(tree, name, text.format(name))
        for name, having in book.roles.items()
        if name not in related and not having & staff
    ]


def roles_nobody_has(book: PolicyBook, tree: Node, staff_roles: Collection[str]) -> list[PolicyProblem]:
    """A warning at each role that nobody on the staff has, directly or through a role that extends it."""
    staff = frozenset(staff_roles)
    return [
        _at_role(tree, name, f"nobody on the staff has role `{name}`, or one that extends it")
        for name, below in book.roles.items()
        if not below & staff
    ]


def _named_roles(tree: Node) -> set[str]:
    """The roles that are named by mandates, prohibitions, steps and reviews."""
    nodes = [one for row in each(tree.get("mandates")) for one in one_or_list(row.get("to"))]
    nodes += [one for row in each(tree.get("prohibitions")) for one in one_or_list(row.get("except"))]
    for row in each(tree.get("mandates")):
        if (discretion := row.get("discretion")) is not None:
            nodes += one_or_list(discretion.get("reviewer"))
    for ladder in each(tree.get("escalation")):
        nodes += [one for step in each(ladder.get("steps")) for one in one_or_list(step.get("to"))]
    return {node.text for node in nodes if node.text is not None}


def _at_role(tree: Node, name: str, text: str) -> PolicyProblem:
    roles = tree.get("roles")
    return warning((roles or tree).key_spot(name), text)
