"""The header Prefer (RFC 7240)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.request import parse_http_list

_MOST_DIGITS: Final = 9


def wait_preferred(headers: Sequence[str]) -> int | None:
    """The seconds of the preference `wait`; None if it is absent or no number of seconds.

    `headers`: the values of all headers Prefer, in order. The first `wait` counts (RFC 7240, section 2).
    """
    for preference in parse_http_list(", ".join(headers)):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            return (
                int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None
            )
    return None
