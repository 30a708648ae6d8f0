"""Explain the outcome: the decision, its charges, the amount on the spot, and the people who are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.explain.decided_request import DecidedRequest
from engine.explain.explanation_line import ExplanationLine
from engine.explain.words import Speech
from schemas.money import parse_amount


def outcome_lines(decided: DecidedRequest, speech: Speech) -> Iterator[ExplanationLine]:
    """The decision, then its reasons, its charges and the people who are asked."""
    decision = decided.decision
    outcome = f"outcome.{decision['outcome']}"
    special = f"{outcome}.{decision['by']}"
    text = speech.say(special if speech.has(special) else outcome, mandate=decision["mandate"])
    yield ExplanationLine(0, text)
    for reason in decision["reasons"]:
        if reason["code"] == "prohibited":
            yield ExplanationLine(1, reason["text"])
        elif "mandate" not in reason and "prohibition" not in reason:
            yield ExplanationLine(1, _general(reason, speech))
    for charge in decision["charges"]:
        yield ExplanationLine(1, _charged(charge, decided, speech))
    if decision["outcome"] == "escalated":
        yield ExplanationLine(1, _on_the_spot(decided, speech))
    if decided.approval is not None:
        yield ExplanationLine(1, _asked(decided.approval, decided, speech))


def _general(reason: Mapping[str, Any], speech: Speech) -> str:
    """A reason that is not about a mandate or a prohibition, in the catalogue's words, else its own text."""
    figures = dict(reason["figures"])
    for name, named in (("role", speech.name), ("kind", speech.kind)):
        if name in figures:
            figures[name] = named(figures[name])
    return speech.reason(reason["code"], **figures) or str(reason["text"])


def _charged(charge: Mapping[str, Any], decided: DecidedRequest, speech: Speech) -> str:
    if "amount" in charge:
        taken = speech.amount(parse_amount(charge["amount"], decided.book.currency))
    else:
        taken = speech.decisions(charge["count"])
    whose = speech.whose(charge["scope"])
    figures = {"budget": charge["budget"], "scope": whose, "window": charge["window"], "taken": taken}
    return speech.say("outcome.charge", **figures)


def _on_the_spot(decided: DecidedRequest, speech: Speech) -> str:
    offered = decided.decision["on_the_spot"]
    if offered is None:
        return speech.say("outcome.nothing_on_the_spot")
    amount = speech.amount(parse_amount(offered, decided.book.currency))
    return speech.say("outcome.on_the_spot", amount=amount)


def _asked(approval: Mapping[str, Any], decided: DecidedRequest, speech: Speech) -> str:
    step, people = speech.name(approval["step"]), approval["approvers"]
    if not people:
        return speech.say("outcome.nobody_asked", step=step)
    found = [(agent_id, decided.staff.get(agent_id)) for agent_id in people]
    names = [
        agent_id if one is None else speech.say("person", name=one.name, agent=agent_id)
        for agent_id, one in found
    ]
    return speech.say("outcome.asked", step=step, names=speech.any_of(names))
