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
    """The case in a body, its tenant perhaps left out.

    Raises Unreadable. All of the body is looked at, also what is ignored: it may not be deep, nor hold NaN.
    """
    parse_json(body)
    return read(SubmittedCase, body)


def read_withdrawal(case_id: str, body: bytes) -> SubmittedWithdrawal:
    """The withdrawal of a request of that case, its tenant perhaps left out.

    Raises Unreadable: unknown_case where no case can have that id; and all that reading a body raises.
    Whether there is such a request is for rules to say: a withdrawal may come before it.
    """
    parse_json(body)
    given = read(WithdrawalBody, body)
    if not is_case_id(case_id):
        raise Unreadable(
            "unknown_case", "No case has such an id: it is 1 to 200 characters without control characters."
        )
    return SubmittedWithdrawal.model_construct(**given.__dict__, case_id=case_id)


def is_case_id(text: str) -> bool:
    """Whether a case may have this id."""
    try:
        _CASE_ID.validate_python(text)
    except ValidationError:
        return False
    return True
