"""The records about a case that became dead letters, so that `GET` can say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class FailedRecord:
    """A submission, a withdrawal or a reply that became a dead letter. It holds no words of people."""

    of: Literal["submission", "withdrawal", "reply"]
    request_id: str
    reason: str
    detail: str
    time: datetime
    reply_id: str | None = None
    giver: str | None = None
    verdict: Literal["approve", "reject"] | None = None

    @property
    def is_final(self) -> bool:
        """Whether the request gets no decision, unless an operator sends the record again.

        A conflict is with a request that is known, so that request has its decision, or gets it.
        """
        return self.of == "submission" and self.reason != "conflict"
