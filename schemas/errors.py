"""What is said of input that cannot be read."""

from __future__ import annotations

from typing import NamedTuple


class Flaw(NamedTuple):
    """One thing that is wrong: where (a JSON pointer, RFC 6901; empty = the whole) and what."""

    pointer: str
    text: str


class Unreadable(Exception):  # noqa: N818 - a word of the design, and a value as much as an exception
    """Input that can never be handled as it is: a dead letter over Kafka, a problem detail over HTTP.

    `reason` is a code of :data:`REASONS`; `detail` one sentence for a person: what, where, what to do.
    """

    def __init__(self, reason: str, detail: str, flaws: tuple[Flaw, ...] = ()) -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is not a reason that schemas.errors.REASONS knows")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.flaws = flaws


REASONS = {
    "empty": "the body is empty",
    "null_value": "the record has no value",
    "not_utf8": "the body is not UTF-8",
    "not_json": "the body is not JSON",
    "too_large": "the body is larger than is taken",
    "too_deep": "the body is nested more deeply than is taken",
    "bad_header": "a header that matters is null or not UTF-8",
    "header_name_not_utf8": "the name of a header is not UTF-8",
    "invalid": "a field does not hold what it should",
    "missing_field": "a field that is needed is absent",
    "unknown_currency": "the currency is not one of ISO 4217",
    "unknown_tenant": "no policy is active for the tenant",
    "unknown_type": "the type of the event is not one that this topic takes",
    "key_mismatch": "the key of the record disagrees with its body",
    "conflict": "the request is known with other content",
    "unknown_approval": "there is no such approval",
    "unknown_case": "the case of this event was never seen",
}
