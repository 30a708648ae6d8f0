"""A case that was submitted: the input of nearly every decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from engine.inputs.received import NOTHING_NEEDED, FromRecord, Needs, Received, check_event
from schemas import types
from schemas.case import Case
from schemas.cloud_event import CloudEvent
from schemas.ids import RequestKey
from schemas.model import cached
from schemas.reading import read
from schemas.request_digest import request_digest

_EVENT: Final = CloudEvent[Case]


@dataclass(frozen=True)
class Submission(Received):
    """A case with a decision request."""

    case: Case

    event_type: ClassVar[str] = types.CASE_SUBMITTED
    needs: ClassVar[Needs] = NOTHING_NEEDED
    alone: ClassVar[bool] = False
    conflict: ClassVar[str] = (
        "/data/request/request_id: this request is known with another agent, customer, kind, amount, currency"
        " or discretion; a new request needs a new request_id."
    )

    @classmethod
    def read(cls, origin: FromRecord, key: bytes | None, value: bytes | None) -> Submission:
        """Read a record. Raises Unreadable."""
        event = read(_EVENT, value)
        case = event.data
        check_event(event, cls.event_type, origin, key, (case.tenant, case.case_id))
        return cls(origin, event.id, event.time, event.traceparent, case)

    @property
    def tenant(self) -> str:
        """The tenant of the case."""
        return self.case.tenant

    @property
    def case_key(self) -> tuple[str, str]:
        """The tenant and the id of the case."""
        return self.case.tenant, self.case.case_id

    @property
    def request_key(self) -> RequestKey:
        """The request that it makes."""
        return self.case.key

    @property
    def judged_person(self) -> str | None:
        """The agent who asks."""
        return self.case.agent_id

    @cached
    def index_id(self) -> str:
        """The id under which the ledger settles it, for ever."""
        return self.case.key.index_id

    @cached
    def digest(self) -> str:
        """Equal for the same request, different for a conflict (docs/contracts.md, Ids)."""
        return request_digest(self.case)
