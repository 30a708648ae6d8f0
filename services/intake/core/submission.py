"""Reading the body of `POST /v1/cases`."""

from __future__ import annotations

from schemas.case import SubmittedCase
from schemas.reading import parse_json, read


def read_submission(body: bytes) -> SubmittedCase:
    """The case in a body, its tenant perhaps left out.

    Raises Unreadable. All of the body is looked at, also what is ignored: it may not be deep, nor hold NaN.
    """
    parse_json(body)
    return read(SubmittedCase, body)
