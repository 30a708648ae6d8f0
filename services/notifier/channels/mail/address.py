"""Names beside mail addresses, as senders have them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from schemas.mailbox import mailbox

_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NEEDS_QUOTES: Final = re.compile(r'[,:;@<>\[\]"\\]')
"""The characters with a meaning in a list of addresses (RFC 5322, 3.2.3)."""


class NamedAddress(NamedTuple):
    """A mail address with the name beside it, which may be empty."""

    name: str
    address: str


def named_address(text: str) -> NamedAddress:
    """Read `care@example.org` or `Care Team <care@example.org>`. Raises ValueError with the remedy.

    Not the standard library's parser: it takes `Care Team, Billing <...>` for two addresses.
    """
    name, found, rest = text.strip().rpartition("<")
    name = name.strip()
    address = mailbox(rest.removesuffix(">") if found else rest)
    if address is None or (found and not rest.endswith(">")):
        raise ValueError("expected one mail address: care@example.org or Care Team <care@example.org>")
    if not name.isprintable():
        raise ValueError("the name must not hold control characters")
    if quoted := _QUOTED.fullmatch(name):
        return NamedAddress(re.sub(r"\\(.)", r"\1", quoted[1]), address)
    if _NEEDS_QUOTES.search(name):
        in_quotes = re.sub(r'(["\\])', r"\\\1", name)
        raise ValueError(f'put the name in double quotes: "{in_quotes}" <{address}>')
    return NamedAddress(name, address)
