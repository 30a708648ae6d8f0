"""Find operators of other languages in an expression, and suggest the CEL operator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from engine.expressions.tokens import Kind, Token, tokenize
from engine.expressions.translation import ExpressionFlaw

_WORDS: Final = {"and": "&&", "or": "||", "not": "!", "en": "&&", "of": "||", "niet": "!"}
_SIGNS: Final = {"=<": "<=", "=>": ">=", "<>": "!=", "===": "==", "=": "==", "&": "&&", "|": "||"}
_LONGEST_SIGN: Final = 3
_CURRENCIES: Final = frozenset("€$£¥")
_DOTTED: Final = re.compile(r"\s*([A-Za-z_][\w.]*)")


def from_other_languages(text: str) -> list[ExpressionFlaw]:
    """The first operator of another language in an expression that CEL cannot parse, as at most one flaw."""
    tokens = [token for token in tokenize(text) if token.kind is not Kind.COMMENT]
    return list(_found(text, tokens))[:1]


def _found(text: str, tokens: Sequence[Token]) -> Iterator[ExpressionFlaw]:
    waiting: list[str] = []
    for place, token in enumerate(tokens):
        if (share := _share(text, tokens[place : place + 3])) is not None:
            yield ExpressionFlaw(token.start, share)
            return
        if token.text in _CURRENCIES:
            yield ExpressionFlaw(token.start, f"an amount is a number only; remove `{token.text}`")
            return
        before = tokens[place - 1].text if place else ""
        after = tokens[place + 1 : place + 3]
        if token.kind is Kind.NAME and before != "." and token.text.lower() in _WORDS:
            yield ExpressionFlaw(
                token.start, f"write `{_WORDS[token.text.lower()]}` instead of `{token.text}`"
            )
        elif (sign := _sign(text, token)) is not None:
            yield ExpressionFlaw(token.start, f"write `{_SIGNS[sign]}` instead of `{sign}`")
        elif not waiting and token.kind is Kind.INTEGER and _is_decimal_comma(token, after):
            number = f"{token.text},{after[1].text}"
            yield ExpressionFlaw(token.start, f"write `{number.replace(',', '.')}` instead of `{number}`")
        elif token.text in ("(", "[", "{"):
            waiting.append(token.text)
        elif token.text in (")", "]", "}") and waiting:
            waiting.pop()


def _share(text: str, tokens: Sequence[Token]) -> str | None:
    """The remedy for a share such as `10% of facts.x`; None if the tokens begin no such share."""
    if len(tokens) < _LONGEST_SIGN or tokens[0].kind not in (Kind.INTEGER, Kind.FLOAT):
        return None
    number, percent, of = tokens
    if percent.text != "%" or of.text not in ("of", "van"):
        return None
    of_what = _DOTTED.match(text, of.start + len(of.text))
    share = f"{float(number.text) / 100:.10g}"
    return f"write `{share} * {of_what[1] if of_what else '...'}` instead of `{number.text}% {of.text}`"


def _sign(text: str, token: Token) -> str | None:
    """The longest operator of another language that starts at this token."""
    if token.kind not in (Kind.SYMBOL, Kind.UNKNOWN):
        return None
    for length in range(_LONGEST_SIGN, 0, -1):
        sign = text[token.start : token.start + length]
        if sign in _SIGNS and (length > 1 or token.kind is Kind.UNKNOWN):
            return sign
    return None


def _is_decimal_comma(token: Token, after: Sequence[Token]) -> bool:
    if [one.kind for one in after] != [Kind.SYMBOL, Kind.INTEGER] or after[0].text != ",":
        return False
    end = token.start + len(token.text)
    return after[0].start == end and after[1].start == end + 1
