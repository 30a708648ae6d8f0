"""A request that is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from engine.inputs.ledger_ids import state_id, withdrawal_index_id
from engine.inputs.received import FromRecord, Needs, Received, check_event
from schemas import types
from schemas.cloud_event import CloudEvent
from schemas.ids import RequestKey, approval_id
from schemas.model import cached
from schemas.reading import read
from schemas.withdrawal import WITHDRAWN, Withdrawal

_EVENT: Final = CloudEvent[Withdrawal]


@dataclass(frozen=True)
class WithdrawalInput(Received):
    """The withdrawal of a request. Anybody may withdraw, so nobody's authority is judged."""

    withdrawal: Withdrawal

    event_type: ClassVar[str] = types.CASE_WITHDRAWN
    judged_person: ClassVar[str | None] = None
    alone: ClassVar[bool] = True
    digest: ClassVar[str] = WITHDRAWN
    """The same for every withdrawal, so two withdrawals of one request are never in conflict."""
    conflict: ClassVar[str] = "/data/request_id: this withdrawal is known with other content."

    @classmethod
    def read(cls, origin: FromRecord, key: bytes | None, value: bytes | None) -> WithdrawalInput:
        """Read a record. Raises Unreadable."""
        event = read(_EVENT, value)
        data = event.data
        check_event(event, cls.event_type, origin, key, (data.tenant, data.case_id))
        return cls(origin, event.id, event.time, event.traceparent, data)

    @property
    def tenant(self) -> str:
        """The tenant of the case."""
        return self.withdrawal.tenant

    @property
    def case_key(self) -> tuple[str, str]:
        """The tenant and the id of the case."""
        return self.withdrawal.tenant, self.withdrawal.case_id

    @property
    def request_key(self) -> RequestKey:
        """The request that is withdrawn."""
        return self.withdrawal.key

    @property
    def state_id(self) -> str:
        """The id of the request's approval in the ledger; it may not exist."""
        return state_id(self.tenant, approval_id(self.withdrawal.case_id, self.withdrawal.request_id))

    @property
    def needs(self) -> Needs:
        """The approval of the request, and its newest decision, which may have charges to give back."""
        return Needs((self.state_id,), (self.request_key.index_id,))

    @cached
    def index_id(self) -> str:
        """The id under which the ledger settles it: a request is withdrawn once, for ever."""
        return withdrawal_index_id(self.withdrawal.key)
