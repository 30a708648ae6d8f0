"""Inputs of rules, read from the events that intake publishes."""

from __future__ import annotations

from typing import Any

from engine.inputs import Reply, Submission, WithdrawalInput, read_input
from schemas import topics
from tests.builders.bodies import as_bytes
from tests.builders.events import a_submitted_event, a_verdict_event, a_withdrawn_event
from tests.builders.records import key_of


def a_submission(case: Any = None, *, partition: int = 0, **changes: Any) -> Submission:
    """A submitted case; `case` is its body."""
    event = a_submitted_event(case, **changes)
    one = read_input(topics.CASES, partition, key_of(event), as_bytes(event))
    assert isinstance(one, Submission)
    return one


def a_reply(verdict: str = "approve", *, partition: int = 0, data: Any = None, **changes: Any) -> Reply:
    """A verdict; `data` changes the data of its event."""
    event = a_verdict_event(verdict, data=data, **changes)
    one = read_input(topics.REPLIES, partition, key_of(event), as_bytes(event))
    assert isinstance(one, Reply)
    return one


def a_later_reply(reply: Reply) -> Reply:
    """The same person's next reply."""
    return a_reply(data={**reply.verdict.model_dump(), "reply_id": reply.verdict.reply_id + "-later"})


def a_withdrawal(*, partition: int = 0, data: Any = None, **changes: Any) -> WithdrawalInput:
    """A withdrawal; `data` changes the data of its event."""
    event = a_withdrawn_event(data=data, **changes)
    one = read_input(topics.CASES, partition, key_of(event), as_bytes(event))
    assert isinstance(one, WithdrawalInput)
    return one
