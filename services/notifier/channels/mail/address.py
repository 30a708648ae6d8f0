"""Mail addresses of people and of senders, checked before anything is sent."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import idna
from email_validator import EmailNotValidError, validate_email

_ANY_DOMAIN: Final = "example.org"
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NEEDS_QUOTES: Final = re.compile(r'[,:;@<>\[\]"\\]')
"""The characters with a meaning in a list of addresses (RFC 5322, 3.2.3)."""


def mailbox(address: str) -> str | None:
    """The address as SMTP takes it (RFC 5321), its domain in ASCII (IDNA 2008); None where it is none.

    Quoted local parts, address literals and local parts beyond ASCII are refused. Hardly anybody has one, and
    each has been a way to smuggle a second recipient past a server.

    The two parts are checked apart: email-validator refuses domains such as `localhost` and `company.local`,
    which a centre may use inside its own network. Not Python's own `idna` codec: it is IDNA 2003, and would
    send mail for `faß.de` to another domain.
    """
    local, _, domain = address.strip().rpartition("@")
    try:
        validate_email(
            f"{local}@{_ANY_DOMAIN}", allow_smtputf8=False, check_deliverability=False, strict=True
        )
        in_ascii = idna.encode(domain, uts46=True).decode("ascii").removesuffix(".")
    except (EmailNotValidError, idna.IDNAError):
        return None
    is_host = not in_ascii.rpartition(".")[2].isdigit()  # else an IP address, which SMTP wants in brackets
    return f"{local}@{in_ascii}" if is_host else None


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
