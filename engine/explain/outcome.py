"""What came of a request: the decision, what it took, what could have been granted, and who is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.explain.decided_request import DecidedRequest
from engine.explain.lines import Line
from engine.explain.words import Speech
from schemas.money import parse_amount


def outcome_lines(heard: DecidedRequest, speech: Speech) -> Iterator[Line]:
    """The decision first, then what belongs to it."""
    decision = heard.decision
    outcome = f"outcome.{decision['outcome']}"
    special = f"{outcome}.{decision['by']}"
    text = speech.say(special if speech.has(special) else outcome, mandate=decision["mandate"])
    yield Line(0, text)
    for reason in decision["reasons"]:
        if reason["code"] == "prohibited":
            yield Line(1, reason["text"])
        elif "mandate" not in reason and "prohibition" not in reason:
            yield Line(1, _general(reason, speech))
    for charge in decision["charges"]:
        yield Line(1, _charged(charge, heard, speech))
    if decision["outcome"] == "escalated":
        yield Line(1, _on_the_spot(heard, speech))
    if heard.approval is not None:
        yield Line(1, _asked(heard.approval, heard, speech))


def _general(reason: Mapping[str, Any], speech: Speech) -> str:
    """A reason that is about no rule; one without words here has its sentence."""
    key = f"reason.{reason['code']}"
    if not speech.has(key):
        return str(reason["text"])
    names = {name: speech.name(text) for name, text in reason["figures"].items() if name in ("role", "kind")}
    return speech.say(key, **{**reason["figures"], **names})


def _charged(charge: Mapping[str, Any], heard: DecidedRequest, speech: Speech) -> str:
    if "amount" in charge:
        taken = speech.amount(parse_amount(charge["amount"], heard.book.currency))
    else:
        taken = speech.decisions(charge["count"])
    whose = speech.whose(charge["scope"])
    figures = {"budget": charge["budget"], "scope": whose, "window": charge["window"], "taken": taken}
    return speech.say("outcome.charge", **figures)


def _on_the_spot(heard: DecidedRequest, speech: Speech) -> str:
    offered = heard.decision["on_the_spot"]
    if offered is None:
        return speech.say("outcome.nothing_on_the_spot")
    amount = speech.amount(parse_amount(offered, heard.book.currency))
    return speech.say("outcome.on_the_spot", amount=amount)


def _asked(approval: Mapping[str, Any], heard: DecidedRequest, speech: Speech) -> str:
    step, people = speech.name(approval["step"]), approval["approvers"]
    if not people:
        return speech.say("outcome.nobody_asked", step=step)
    found = [(agent_id, heard.staff.get(agent_id)) for agent_id in people]
    names = [
        agent_id if one is None else speech.say("person", name=one.name, agent=agent_id)
        for agent_id, one in found
    ]
    return speech.say("outcome.asked", step=step, names=speech.any_of(names))
