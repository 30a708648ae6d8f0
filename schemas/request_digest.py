"""When a known request is the same (DESIGN.md, Policy 7): by value, whatever the facts say now."""

from __future__ import annotations

from binascii import b2a_base64
from hashlib import blake2b
from json import JSONEncoder
from typing import Final

from schemas.case import CaseFields
from schemas.reply import ReplyBody

_encode: Final = JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def digest48(parts: list[str | int | bool | None]) -> str:
    """48 bits of blake2b over the parts, as 8 characters of base64 (LEDGER.md, Keys)."""
    hashed = blake2b(_encode(parts).encode(), digest_size=6).digest()
    return b2a_base64(hashed, newline=False).decode()


def request_digest(case: CaseFields) -> str:
    """Agent, customer, kind, amount in minor units, currency and discretion; absent = null = default."""
    request, money = case.request, case.request.money
    return digest48(
        [
            case.agent_id,
            case.customer.id,
            request.kind,
            None if money is None else money.minor,
            request.currency,
            request.discretion,
        ]
    )


def reply_digest(verdict_type: str, reply: ReplyBody) -> str:
    """When a known reply is the same: verdict, giver, amount by value and reason are equal."""
    amount = None if reply.amount is None else _by_value(reply.amount)
    return digest48([verdict_type, reply.agent_id, amount, reply.reason])


def _by_value(amount: str) -> str:
    """A reply names no currency, so its amount has no minor units: `45.0` and `045.00` are both `45.`."""
    whole, _, fraction = amount.partition(".")
    return whole.lstrip("0") + "." + fraction.rstrip("0")
