"""The limits of a key on what its caller may send: agents, facts, unknown keys (docs/keys.md)."""

from __future__ import annotations

from typing import TypeVar

from schemas.case import Case
from schemas.errors import Unreadable
from schemas.reading import sentence
from schemas.withdrawal import Withdrawal
from services.chassis.http.keys import Caller
from services.chassis.http.problems import HttpProblem
from services.intake.events import Content
from services.intake.reading.unknown_keys import UnknownKey, mistakes

ContentT = TypeVar("ContentT", bound=Content)


class OtherAgent(HttpProblem):
    """403: the key may not ask as the agent that the body names."""

    reason = "other_agent"


def check_agent(caller: Caller, content: Content) -> None:
    """Check that the content names an agent of the key, if the key has agents. Raises OtherAgent."""
    if caller.agents is None or not isinstance(content, Case | Withdrawal):
        return
    if content.agent_id not in caller.agents:
        raise OtherAgent(
            403,
            "other-agent",
            "This key may send requests only for its own agents. Send one of them as agent_id.",
            errors=[{"pointer": "/agent_id", "detail": "is not an agent of the key"}],
        )


def with_trusted_facts(caller: Caller, content: ContentT) -> ContentT:
    """The content; with a key whose facts are not trusted, all facts of a case are claims instead.

    A name that stands in both keeps its claim.
    """
    if caller.facts or not isinstance(content, Case) or not content.facts:
        return content
    return content.model_copy(update={"facts": {}, "claims": {**content.facts, **(content.claims or {})}})


def check_unknown(caller: Caller, unknown: list[UnknownKey]) -> None:
    """Check that a body has no unknown keys, if the key is strict. Raises Unreadable with all of them."""
    if caller.strict and unknown:
        flaws = mistakes(unknown, strict=True)
        raise Unreadable("invalid", sentence(flaws), flaws)


def with_unknown(refusal: Unreadable, caller: Caller, unknown: list[UnknownKey]) -> Unreadable:
    """The refusal of a body, with its unknown keys beside its other mistakes."""
    more = mistakes(unknown, strict=caller.strict)
    if not more:
        return refusal
    return Unreadable(refusal.reason, f"{refusal.detail}; {sentence(more)}", (*refusal.flaws, *more))
