"""The digests that distinguish a repeat of a request or reply from a conflict (docs/concepts.md, Words)."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import blake2b
from json import JSONEncoder
from json.encoder import encode_basestring
from typing import Final

from schemas.case import CaseFields
from schemas.reply import ReplyBody

_NAMES_OF_A_REPLY: Final = frozenset({"reply_id", "approval_id", "case_id", "request_id"})
"""The fields of a reply that are part of its id in the ledger."""

_encode: Final = JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def digest48(parts: list[str | int | bool | None]) -> str:
    """A hash of the parts (blake2b, 48 bits), as 8 characters of base64 (docs/ledger.md, Keys)."""
    return _digest(_encode(parts))


def _digest(text: str) -> str:
    return b2a_base64(blake2b(text.encode(), digest_size=6).digest(), newline=False).decode()


def request_digest(case: CaseFields) -> str:
    """The digest of agent, customer, kind, amount in minor units, currency and discretion."""
    request, money = case.request, case.request.money
    agent, currency = case.agent_id, request.currency
    # The same text as JSONEncoder writes for this list, in a third of the time. Every request needs it.
    return _digest(
        f"[{'null' if agent is None else encode_basestring(agent)},{encode_basestring(case.customer.id)},"
        f"{encode_basestring(request.kind)},{'null' if money is None else money.minor},"
        f"{'null' if currency is None else encode_basestring(currency)},"
        f"{'true' if request.discretion else 'false'}]"
    )


def reply_digest(verdict_type: str, reply: ReplyBody) -> str:
    """The digest of the reply's type and of all fields of its model, except those that only name the reply.

    For a verdict they are its giver, the value of its amount, and its reason.
    """
    fields = type(reply).model_fields.keys()
    return digest48(
        [verdict_type, *(_content(reply, name) for name in fields if name not in _NAMES_OF_A_REPLY)]
    )


def _content(reply: ReplyBody, field: str) -> str | int | bool | None:
    value: str | int | bool | None = getattr(reply, field)
    return _by_value(value) if field == "amount" and isinstance(value, str) else value


def _by_value(amount: str) -> str:
    """The amount without superfluous zeros: `45.0` and `045.00` both give `45.`.

    A reply names no currency, so its amount cannot be written in minor units.
    """
    whole, _, fraction = amount.partition(".")
    return whole.lstrip("0") + "." + fraction.rstrip("0")
