"""Makes text of people safe to show: no control characters, no change of direction, no endless lines.

The templates escape it. This removes what escaping does not help against.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE: Final = (
    "\u00ad\u034f\u115f\u1160\u180b-\u180f\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\uffff"
)
_TAGS: Final = "\U000e0000-\U000e0fff"
_CONTROL: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
_REMOVED: Final = re.compile(f"[{_BIDI}{_INVISIBLE}{_TAGS}{_CONTROL}]")
_BREAKS: Final = re.compile("\r\n?|[\u0085\u2028\u2029\x0b\x0c]")
_SPACES: Final = re.compile("[^\\S\u00a0]+")
"""Not the no-break space, which amounts are written with."""
_STACKED: Final = 4
"""More combining marks on one letter are used by no script, and would cover the lines around it."""


def without_tricks(text: str) -> str:
    """The text without the characters that must not be shown. Its spaces stay, and it is not cut."""
    return _REMOVED.sub("", _BREAKS.sub("\n", text))


def clean_text(text: str, limit: int = 4000) -> str:
    """Text of several lines, cut to `limit` characters with an ellipsis."""
    kept = _unstacked(without_tricks(text[: 4 * limit]).replace("\t", " "))
    kept = re.sub(r"\n{3,}", "\n\n", kept).strip()
    return _cut(kept, limit)


def clean_line(text: str, limit: int = 200) -> str:
    """Text on one line, cut to `limit` characters with an ellipsis."""
    return _cut(_SPACES.sub(" ", clean_text(text, 4 * limit)).strip(), limit)


def clean_code(text: str, limit: int = 400) -> str:
    """An id as it is, without the characters that must not be shown. Spaces inside it stay."""
    return _cut(_REMOVED.sub("", _BREAKS.sub("", text)).strip(), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _unstacked(text: str) -> str:
    if text.isascii():
        return text
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks <= _STACKED:
            kept.append(char)
    return "".join(kept)
