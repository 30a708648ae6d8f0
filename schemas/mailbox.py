"""The form of a mail address."""

from __future__ import annotations

from typing import Final

import idna
from email_validator import EmailNotValidError, validate_email

_ANY_DOMAIN: Final = "example.org"


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
