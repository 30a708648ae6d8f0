"""The kinds of event that the notifier knows."""

from __future__ import annotations

from schemas.types import CHANGES_APPROVAL
from services.notifier.planning.event_kinds import EVENT_KINDS


def test_the_notifier_reads_every_event_that_changes_an_approval() -> None:
    """Without a row, the event is ignored, and the notifier goes on with an old version of the approval."""
    assert EVENT_KINDS.keys() >= CHANGES_APPROVAL
