"""Reading the bodies of `POST /v1/cases` and `POST /v1/cases/{case_id}/withdrawal`."""

from __future__ import annotations

from schemas.case import SubmittedCase
from schemas.errors import Unreadable
from schemas.ids import id_in_path
from schemas.reading import parse_json, read
from schemas.withdrawal import SubmittedWithdrawal, WithdrawalBody


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
    named = id_in_path(case_id)
    if named is None:
        raise Unreadable(
            "unknown_case",
            "No case can have this id: an id is 1 to 200 characters without control characters, and without"
            " white space at its beginning and end.",
        )
    return SubmittedWithdrawal.model_construct(**given.__dict__, case_id=named)
