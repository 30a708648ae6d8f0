"""The errors of input that cannot be read."""

from __future__ import annotations

from typing import Final, NamedTuple


class Flaw(NamedTuple):
    """One error: a sentence, and its place as a JSON pointer (RFC 6901; empty for the whole body)."""

    pointer: str
    text: str


class Cause(NamedTuple):
    """The meaning of a reason, and its HTTP status (RFC 9110)."""

    text: str
    status: int = 422


class Unreadable(Exception):  # noqa: N818 - it is also passed as a value, so it is named after its meaning
    """Input that can never be handled. It becomes a dead letter in Kafka, or a problem detail over HTTP.

    `reason` is a code of :data:`REASONS`. `detail` tells a person the error, its place and the remedy.
    """

    def __init__(self, reason: str, detail: str, flaws: tuple[Flaw, ...] = ()) -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is not a reason in schemas.errors.REASONS")
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
    "too_large": Cause("the body is too large", 413),
    "too_deep": Cause("the body is nested too deeply", 400),
    "bad_header": Cause("the content type or a `ce_` header is null or not UTF-8", 400),
    "header_name_not_utf8": Cause("the name of a header is not UTF-8"),
    "invalid": Cause("a field has a value that is not allowed"),
    "missing_field": Cause("a required field is missing"),
    "unknown_currency": Cause("the currency is not one of ISO 4217"),
    "unknown_tenant": Cause("no policy is active for the tenant"),
    "unknown_agent": Cause("nobody on the staff has this id"),
    "unknown_type": Cause("the topic does not accept events of this type"),
    "key_mismatch": Cause("the key of the record disagrees with its body"),
    "conflict": Cause("the request is known with other content", 409),
    "unknown_approval": Cause("there is no such approval", 404),
    "unknown_case": Cause("the case of this event is not known", 404),
}
