"""What is said of input that cannot be read."""

from __future__ import annotations

from typing import Final, NamedTuple


class Flaw(NamedTuple):
    """One thing that is wrong: where (a JSON pointer, RFC 6901; empty = the whole) and what."""

    pointer: str
    text: str


class Cause(NamedTuple):
    """What a reason means, and the status (RFC 9110) that says so over HTTP."""

    text: str
    status: int = 422


class Unreadable(Exception):  # noqa: N818 - a word of the design, and a value as much as an exception
    """Input that can never be handled as it is: a dead letter over Kafka, a problem detail over HTTP.

    `reason` is a code of :data:`REASONS`; `detail` one sentence for a person: what, where, what to do.
    """

    def __init__(self, reason: str, detail: str, flaws: tuple[Flaw, ...] = ()) -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is not a reason that schemas.errors.REASONS knows")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.status = REASONS[reason].status
        self.detail = detail
        self.flaws = flaws


REASONS: Final = {
    "empty": Cause("the body is empty", 400),
    "null_value": Cause("the record has no value"),
    "not_utf8": Cause("the body is not UTF-8", 400),
    "not_json": Cause("the body is not JSON", 400),
    "too_large": Cause("the body is larger than is taken", 413),
    "too_deep": Cause("the body is nested more deeply than is taken", 400),
    "bad_header": Cause("a header that matters is null or not UTF-8", 400),
    "header_name_not_utf8": Cause("the name of a header is not UTF-8"),
    "invalid": Cause("a field does not hold what it should"),
    "missing_field": Cause("a field that is needed is absent"),
    "unknown_currency": Cause("the currency is not one of ISO 4217"),
    "unknown_tenant": Cause("no policy is active for the tenant"),
    "unknown_type": Cause("the type of the event is not one that this topic takes"),
    "key_mismatch": Cause("the key of the record disagrees with its body"),
    "conflict": Cause("the request is known with other content", 409),
    "unknown_approval": Cause("there is no such approval", 404),
    "unknown_case": Cause("the case of this event was never seen", 404),
}
