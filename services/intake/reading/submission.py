"""Reading the bodies of `POST /v1/cases` and `POST /v1/cases/{case_id}/withdrawal`."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from pydantic import ValidationError

from schemas.case import SubmittedCase
from schemas.errors import Flaw, Unreadable
from schemas.ids import id_in_path
from schemas.reading import MOST_FLAWS, parse_json, read, sentence, unreadable
from schemas.withdrawal import SubmittedWithdrawal, WithdrawalBody

_VALID: Final[dict[str, Any]] = {
    "/case_id": "c",
    "/opened_at": "2026-03-02T08:00:00Z",
    "/customer": {"id": "cu"},
    "/customer/id": "cu",
    "/request": {"request_id": "r", "kind": "k"},
    "/request/request_id": "r",
    "/request/kind": "k",
}
"""A valid value for each required field."""


def read_submission(body: bytes) -> SubmittedCase:
    """The case in a body. Its tenant may be absent.

    Raises Unreadable. Ignored fields are checked too: nothing may be too deep, and nothing may be NaN.
    """
    value = parse_json(body)
    try:
        return read(SubmittedCase, body)
    except Unreadable as refusal:
        raise _with_hidden_flaws(refusal, value) from refusal


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


def _with_hidden_flaws(refusal: Unreadable, value: Any) -> Unreadable:
    """The refusal with the flaws that pydantic finds only once the first ones are gone.

    Checks of several fields, as of an amount and its currency, run only if each field is valid by itself.
    """
    if not isinstance(value, dict) or not refusal.flaws:
        return refusal
    repaired, flaws, found = copy.deepcopy(value), refusal.flaws, refusal.flaws
    while found and len(flaws) < MOST_FLAWS:
        for flaw in found:
            _repair(repaired, flaw)
        known = {flaw.pointer for flaw in flaws}
        found = tuple(flaw for flaw in _flaws(repaired) if flaw.pointer not in known)
        flaws = (*flaws, *found)
    return Unreadable(refusal.reason, sentence(flaws), flaws) if flaws != refusal.flaws else refusal


def _flaws(body: dict[str, Any]) -> tuple[Flaw, ...]:
    try:
        SubmittedCase.model_validate_json(json.dumps(body))
    except ValidationError as error:
        return unreadable(error).flaws
    return ()


def _repair(body: dict[str, Any], flaw: Flaw) -> None:
    """Give a required field a valid value, and leave an optional one out."""
    *parents, name = flaw.pointer.split("/")[1:] or [""]
    part: Any = body
    for step in parents:
        part = part.get(step) if isinstance(part, dict) else None
    if not isinstance(part, dict):
        return
    if flaw.pointer in _VALID:
        part[name] = copy.deepcopy(_VALID[flaw.pointer])
        return
    part.pop(name, None)
    if name == "currency":
        part.pop("amount", None)
