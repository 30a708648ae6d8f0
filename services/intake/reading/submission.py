"""Reading the bodies of `POST /v1/cases` and `POST /v1/cases/{case_id}/withdrawal`."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from schemas.case import SubmittedCase
from schemas.errors import Unreadable
from schemas.ids import CaseId
from schemas.reading import parse_json, read
from schemas.withdrawal import SubmittedWithdrawal, WithdrawalBody

_CASE_ID: TypeAdapter[str] = TypeAdapter(CaseId)


def read_submission(body: bytes) -> SubmittedCase:
    """The case in a body. Its tenant may be absent.

    Raises Unreadable. Ignored fields are checked too: nothing may be too deep, and nothing may be NaN.
    """
    parse_json(body)
    return read(SubmittedCase, body)


def read_withdrawal(case_id: str, body: bytes) -> SubmittedWithdrawal:
    """The withdrawal of a request of that case. Its tenant may be absent.

    Raises Unreadable: unknown_case if no case can have that id, and all that reading a body raises.
    Rules looks for the request, because a withdrawal may come before its request.
    """
    parse_json(body)
    given = read(WithdrawalBody, body)
    if not is_case_id(case_id):
        raise Unreadable(
            "unknown_case",
            "No case can have this id: an id is 1 to 200 characters without control characters.",
        )
    return SubmittedWithdrawal.model_construct(**given.__dict__, case_id=case_id)


def is_case_id(text: str) -> bool:
    """Whether a case may have this id."""
    try:
        _CASE_ID.validate_python(text)
    except ValidationError:
        return False
    return True
