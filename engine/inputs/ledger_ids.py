"""The ids under which the ledger keeps inputs and approvals (docs/ledger.md, Keys)."""

from __future__ import annotations

from schemas.ids import RequestKey


def reply_index_id(tenant: str, approval_id: str, reply_id: str) -> str:
    """The id of a reply in the ledger's index."""
    return f"in/{tenant}/{approval_id}/{reply_id}"


def withdrawal_index_id(request: RequestKey) -> str:
    """The id of the withdrawal of a request in the ledger's index.

    It has a second NUL, so it cannot equal the id of any request, even for a tenant called `in`.
    """
    return f"in/{request.index_id}\x00withdrawn"


def state_id(tenant: str, approval_id: str) -> str:
    """The id of an approval in the ledger. An approval id has no tenant in it, so the tenant comes first."""
    return f"{tenant}/{approval_id}"
