"""Split a CEL text into tokens with their positions (cel-spec, doc/langdef.md, Syntax)."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple


class Kind(Enum):
    """The kind of a token."""

    TEXT = "text"
    FLOAT = "float"
    INTEGER = "integer"
    NAME = "name"
    QUOTED_NAME = "quoted_name"
    SYMBOL = "symbol"
    COMMENT = "comment"
    UNKNOWN = "unknown"


class Token(NamedTuple):
    """One token of an expression, and the index of its first character."""

    kind: Kind
    text: str
    start: int


_PATTERN: Final = re.compile(
    r"""
      (?P<blank>[ \t\r\n\f]+)
    | (?P<comment>//[^\n]*)
    | (?P<text>
        (?:[bB][rR]|[rR][bB]?)(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\r\n]*"|'[^'\r\n]*')
      | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\r\n])*"|'(?:\\.|[^'\\\r\n])*')
      )
    | (?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    | (?P<integer>(?:0x[0-9a-fA-F]+|[0-9]+)[uU]?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted_name>`[^`\r\n]*`)
    | (?P<symbol>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, without whitespace. A character that CEL does not allow is an UNKNOWN token."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        found = _PATTERN.match(text, at)
        if found is None:
            tokens.append(Token(Kind.UNKNOWN, text[at], at))
            at += 1
            continue
        if found.lastgroup != "blank":
            tokens.append(Token(Kind(found.lastgroup), found[0], at))
        at = found.end()
    return tokens


_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def text_value(token: Token) -> str | None:
    """The value of a text literal; None for bytes."""
    prefix = token.text[: len(token.text) - len(token.text.lstrip("rRbB"))].lower()
    body = token.text[len(prefix) :]
    quotes = 3 if body[:3] in ('"""', "'''") else 1
    body = body[quotes:-quotes]
    if "b" in prefix:
        return None
    return body if "r" in prefix else _ESCAPE.sub(_unescape, body)


def _unescape(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if digits:
        return chr(int(digits, 16)) if int(digits, 16) < 0x110000 else "\ufffd"
    if found[4]:
        return chr(int(found[4], 8))
    return _PLAIN.get(found[5], found[5])
