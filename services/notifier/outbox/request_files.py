"""Looks up in the case files the requests that a batch of events is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.case import Case
from services.notifier.outbox import case_file
from services.notifier.outbox.store import OutboxStore
from services.notifier.planning.early_withdrawal import came_first, with_request
from services.notifier.planning.reading import NotifiableEvent


class RequestFile(NamedTuple):
    """An event, whether its request was submitted, and the approvers who are asked about it at that time."""

    event: NotifiableEvent
    submitted: bool
    approvers: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether people can be told of the event. A withdrawal may come before its request."""
        return self.submitted or came_first(self.event.event)


async def request_files(store: OutboxStore, events: Sequence[NotifiableEvent]) -> list[RequestFile]:
    """One for each event, in their order. Raises TryAgain.

    An event may change what the next ones of its request find: who is asked stands partly in the batch.
    """
    events = await _with_late_requests(store, events)
    found = await store.read_fields([(event.case_key, _fields(event)) for event in events])
    asked: dict[tuple[str, str], tuple[str, ...]] = {}
    files = []
    for event, (submission, approvers) in zip(events, found, strict=True):
        request = event.case_key, event.request.request_id
        before = asked.get(request, case_file.read_approvers(approvers))
        files.append(RequestFile(event, submission is not None, before))
        after = case_file.approvers_after(event.event)
        asked[request] = before if after is None else after
    return files


def _fields(event: NotifiableEvent) -> tuple[str, str]:
    _, request_id, digest = event.request
    return case_file.submission_field(request_id, digest), case_file.approvers_field(request_id)


async def _with_late_requests(store: OutboxStore, events: Sequence[NotifiableEvent]) -> list[NotifiableEvent]:
    """The events. A withdrawal that came before its request is completed from that request if it is there."""
    early = [event for event in events if came_first(event.event)]
    digests = await store.read_fields(
        [(event.case_key, (case_file.last_field(event.request.request_id),)) for event in early]
    )
    came = [(event, digest.decode()) for event, (digest,) in zip(early, digests, strict=True) if digest]
    cases = await store.read_fields(
        [
            (event.case_key, (case_file.submission_field(event.request.request_id, digest),))
            for event, digest in came
        ]
    )
    completed: Mapping[str, NotifiableEvent] = {
        event.event.id: with_request(event, Case.model_validate_json(case))
        for (event, _), (case,) in zip(came, cases, strict=True)
        if case
    }
    return [completed.get(event.event.id, event) for event in events]
