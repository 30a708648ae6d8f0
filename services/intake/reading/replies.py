"""Reading what people send back on an approval."""

from __future__ import annotations

from schemas.errors import Flaw, Unreadable
from schemas.ids import split_approval_id
from schemas.reading import parse_json, read
from schemas.reply import ReplyBody, Verdict


def read_verdict(verb: str, approval: str, body: bytes) -> Verdict:
    """The verdict in the body of a reply on that approval.

    Raises Unreadable: unknown_approval where the id is not one of ours; and all that reading a body raises.
    Whether the currency of the request has that many decimals is for rules to say: it knows the request.
    """
    parse_json(body)
    given = read(ReplyBody, body)
    _check_amount(verb, given)
    try:
        case_id, request_id = split_approval_id(approval)
        return Verdict(**given.model_dump(), approval_id=approval, case_id=case_id, request_id=request_id)
    except ValueError as flaw:
        raise Unreadable(
            "unknown_approval", f"{approval[:80]!r} is not the id of an approval; take it from the notice."
        ) from flaw


def _check_amount(verb: str, given: ReplyBody) -> None:
    if verb != "approve" and given.amount is not None:
        flaw = Flaw("/amount", f"goes with approve, not with {verb}; leave it out")
        raise Unreadable("invalid", f"{flaw.pointer}: {flaw.text}", (flaw,))
