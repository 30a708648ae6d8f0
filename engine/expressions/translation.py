"""Translate an expression of a policy into text for the CEL library, and keep track of every position.

Numbers are doubles (docs/policy.md, Expressions): `90` becomes `90.0`, except as an index, and `size(x)`
becomes `double(size(x))`. A name of `define` is replaced by its text in brackets, so that CEL skips `late` in
`has(facts.x) && late` if the first part is false.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NamedTuple

from engine.expressions.names import FIELDS, OPEN, OWN, ROOTS, TIME, has_name
from engine.expressions.tokens import Kind, Token, text_value, tokenize

MAX_CHARACTERS: Final = 4_000
MAX_EXPANDED: Final = 20_000

LARGEST: Final = 2**53
"""Larger whole numbers are not exact as doubles (IEEE 754, binary64)."""

MACROS: Final = frozenset(("all", "exists", "exists_one", "map", "filter"))
_INT_FUNCTIONS: Final = frozenset(("size", "int", "uint"))
_INT_METHODS: Final = frozenset(
    (
        *("size", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"),
        *("getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
    )
)
_LITERALS: Final = frozenset(("true", "false", "null", "in"))
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}


class ExpressionFlaw(NamedTuple):
    """A flaw of an expression. `at`: the index of its character."""

    at: int
    text: str
    warning: bool = False


class Piece(NamedTuple):
    """A part of the translated text, and its index in the source. `verbatim`: copied from the source."""

    text: str
    source: int
    verbatim: bool


@dataclass(slots=True)
class Uses:
    """The names that an expression uses. Only their values are converted for CEL."""

    fields: set[tuple[str, str]] = field(default_factory=set)
    presence: set[tuple[str, str]] = field(default_factory=set)
    paths: list[tuple[str, ...]] = field(default_factory=list)
    """The paths into `facts` and `claims`, in text order, each with its root. `("facts",)` is all facts."""
    checked: set[tuple[str, ...]] = field(default_factory=set)
    """The paths of which `has()` or `in` asks whether they exist."""
    now: bool = False
    loops: int = 0
    """The depth of nested loops: 1 for `facts.l.exists(x, x > 1)`."""

    @property
    def names_nothing(self) -> bool:
        """Whether its value is the same for every case."""
        return not (self.fields or self.presence or self.paths or self.now)

    def add(self, other: Uses) -> None:
        """Add the names of another expression that this one uses."""
        self.fields |= other.fields
        self.presence |= other.presence
        self.paths += [path for path in other.paths if path not in self.paths]
        self.checked |= other.checked
        self.now = self.now or other.now

    @property
    def unchecked(self) -> list[tuple[str, ...]]:
        """The facts and claims that it uses without asking whether the case has them."""
        return [path for path in self.paths if len(path) > 1 and not self._is_checked(path)]

    def _is_checked(self, path: tuple[str, ...]) -> bool:
        return any(path[:length] in self.checked for length in range(1, len(path) + 1))


@dataclass(slots=True)
class Translation:
    """The text for the CEL library, the names in it, and the flaws that the library would not find."""

    pieces: list[Piece]
    uses: Uses
    flaws: list[ExpressionFlaw]
    literal_calls: list[tuple[str, int]]
    """Calls with a literal argument, such as `duration('1h')`, and their positions; checks evaluate them."""
    divisors: list[tuple[str, int]]
    """The divisors that do not depend on a case, and their positions; checks evaluate them."""
    broken_names: bool = False
    """Whether it uses a definition with an error; that error is reported at the definition."""
    text: str = ""
    _starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = "".join(piece.text for piece in self.pieces)
        at = 0
        for piece in self.pieces:
            self._starts.append(at)
            at += len(piece.text)

    def source_index(self, index: int) -> int:
        """The index in the source that belongs to an index in the translated text."""
        if not self.pieces:
            return 0
        number = max(0, bisect_right(self._starts, index) - 1)
        piece = self.pieces[number]
        inside = index - self._starts[number]
        return piece.source + (min(inside, len(piece.text)) if piece.verbatim else 0)


@dataclass(slots=True, frozen=True)
class Definition:
    """A definition. `translation` is None if it has an error."""

    translation: Translation | None


def translate(text: str, definitions: Mapping[str, Definition], later: Container[str] = ()) -> Translation:
    """Translate an expression that may use these definitions.

    `later`: names that `define` defines below it. It may not use them, not even for a loop variable.
    """
    return _Translator(text, definitions, later).translate()


class _Translator:
    def __init__(self, text: str, definitions: Mapping[str, Definition], later: Container[str]) -> None:
        self._text = text
        self._definitions = definitions
        self._later = later
        self._tokens = [token for token in tokenize(text) if token.kind is not Kind.COMMENT]
        self._pairs = _pairs(self._tokens)
        self._uses = Uses()
        self._flaws: list[ExpressionFlaw] = []
        self._calls: list[tuple[str, int]] = []
        self._divisors: list[tuple[int, int]] = []
        self._broken = False
        self._loops: list[tuple[int, int, int]] = []
        """For each loop and each use of a definition: its first token, its last token, its depth of loops."""
        self._replaced: dict[int, str | None] = {}
        self._inlined: dict[int, str] = {}
        self._before: dict[int, int] = {}
        self._after: dict[int, int] = {}

    def translate(self) -> Translation:
        if len(self._text) > MAX_CHARACTERS:
            self._flaws.append(
                ExpressionFlaw(0, f"an expression has at most {MAX_CHARACTERS:,} characters; use `define`")
            )
            return Translation([], self._uses, self._flaws, [], [])
        for number, token in enumerate(self._tokens):
            if token.kind is Kind.INTEGER and not self._is_index(number):
                self._replaced[number] = _as_double(token.text)
                self._large(token)
            elif token.kind is Kind.NAME:
                self._name(number, token)
            elif token.text == "/":
                self._division(number, token)
        self._uses.loops = self._loop_depth()
        divisors = [
            (self._translated(first, last), self._tokens[first].start) for first, last in self._divisors
        ]
        translation = Translation(
            self._pieces(), self._uses, self._flaws, self._calls, divisors, self._broken
        )
        if len(translation.text) > MAX_EXPANDED:
            self._flaws.append(
                ExpressionFlaw(
                    0, f"this has more than {MAX_EXPANDED:,} characters, with the definitions that it uses"
                )
            )
        return translation

    def _add_flaw(self, at: int, text: str) -> None:
        self._flaws.append(ExpressionFlaw(at, text))

    def _large(self, token: Token) -> None:
        """A warning and not an error, because policies with such a number may be active."""
        digits = token.text.rstrip("uU")
        value = int(digits, 16) if digits.startswith("0x") else int(digits)
        if value > LARGEST:
            text = (
                f"numbers above 2^53 are rounded, this one to {_rounded(value)}; if it is an id,"
                " let the facts hold it as text and compare it in quotes"
            )
            self._flaws.append(ExpressionFlaw(token.start, text, warning=True))

    # The tokens around a token

    def _symbol(self, number: int) -> str:
        """The symbol at this token, or an empty text."""
        if 0 <= number < len(self._tokens) and self._tokens[number].kind is Kind.SYMBOL:
            return self._tokens[number].text
        return ""

    def _is_operand_end(self, number: int) -> bool:
        if not 0 <= number < len(self._tokens):
            return False
        token = self._tokens[number]
        return token.text in (")", "]", "}") if token.kind is Kind.SYMBOL else token.text != "in"

    def _is_index(self, number: int) -> bool:
        return (
            self._symbol(number - 1) == "["
            and self._symbol(number + 1) == "]"
            and self._is_operand_end(number - 2)
        )

    # Names

    def _name(self, number: int, token: Token) -> None:
        called = self._symbol(number + 1) == "("
        if self._symbol(number - 1) == ".":
            if not self._is_operand_end(number - 2):
                self._flaws.append(ExpressionFlaw(token.start - 1, "a name cannot begin with a dot"))
            elif called:
                self._method(number, token)
        elif called:
            self._function(number, token)
        elif token.text in FIELDS:
            self._field(number, token)
        elif token.text in OPEN:
            self._open(number, token)
        elif token.text == TIME:
            self._uses.now = True
        elif token.text in self._definitions:
            self._definition(number, token)
        elif token.text in OWN:
            self._add_flaw(token.start, f"unknown name `{token.text}`")

    def _field(self, number: int, token: Token) -> None:
        fields = FIELDS[token.text]
        after = self._tokens[number + 2] if number + 2 < len(self._tokens) else None
        if self._symbol(number + 1) != "." or after is None or after.kind is not Kind.NAME:
            text = f"use one field of `{token.text}`, such as `{token.text}.{next(iter(fields))}`"
            self._flaws.append(ExpressionFlaw(token.start, text))
        elif after.text not in fields:
            close = get_close_matches(after.text, fields, 1)
            hint = f"did you mean `{token.text}.{close[0]}`?" if close else f"it has {', '.join(fields)}"
            self._flaws.append(
                ExpressionFlaw(token.start, f"there is no `{token.text}.{after.text}`; {hint}")
            )
        elif self._is_presence(number):
            self._uses.presence.add((token.text, after.text))
            self._replaced |= dict.fromkeys(range(number - 2, number + 4))
            self._replaced[number] = has_name(token.text, after.text)
        else:
            self._uses.fields.add((token.text, after.text))

    def _is_presence(self, number: int) -> bool:
        return (
            self._symbol(number - 1) == "("
            and number >= 2
            and self._tokens[number - 2].text == "has"
            and self._symbol(number - 3) != "."
            and self._symbol(number + 3) == ")"
        )

    def _open(self, number: int, token: Token) -> None:
        path = [token.text]
        at = number + 1
        while True:
            if self._symbol(at) == "." and self._is_selected(at + 1):
                path.append(self._tokens[at + 1].text.strip("`"))
                at += 2
            elif (
                self._symbol(at) == "["
                and self._symbol(at + 2) == "]"
                and self._tokens[at + 1].kind is Kind.TEXT
            ):
                path.append(text_value(self._tokens[at + 1]) or "")
                at += 3
            else:
                break
        asked = self._symbol(number - 1) == "(" and number >= 2 and self._tokens[number - 2].text == "has"
        if asked or (number >= 1 and self._tokens[number - 1].text == "in"):
            self._uses.checked.add(tuple(path))
        if tuple(path) not in self._uses.paths:
            self._uses.paths.append(tuple(path))

    def _is_selected(self, number: int) -> bool:
        if number >= len(self._tokens) or self._symbol(number + 1) == "(":
            return False
        return self._tokens[number].kind in (Kind.NAME, Kind.QUOTED_NAME)

    def _definition(self, number: int, token: Token) -> None:
        translation = self._definitions[token.text].translation
        if translation is None:
            self._broken = True
            return
        self._uses.add(translation.uses)
        self._loops.append((number, number, translation.uses.loops))
        self._inlined[number] = f"({translation.text})"

    # Calls

    def _function(self, number: int, token: Token) -> None:
        if token.text in _INT_FUNCTIONS:
            self._wrap(number, number)
        if token.text in ("duration", "timestamp"):
            self._note_literal_call(number, token.text)
        if token.text == "matches":
            self._pattern(number)

    def _method(self, number: int, token: Token) -> None:
        if token.text in MACROS:
            self._loop(number)
        elif token.text in _INT_METHODS:
            self._wrap(self._operand_start(number - 2), number)
            self._zone(number, token)
        elif token.text == "matches":
            self._pattern(number)

    def _loop(self, number: int) -> None:
        self._loops.append((number, self._pairs.get(number + 1, number), 1))
        variable = self._tokens[number + 2] if number + 2 < len(self._tokens) else None
        if variable is not None and any(
            variable.text in taken for taken in (ROOTS, self._definitions, self._later)
        ):
            self._flaws.append(
                ExpressionFlaw(variable.start, f"`{variable.text}` is already in use; choose another name")
            )

    def _loop_depth(self) -> int:
        def around(at: int) -> int:
            return sum(first < at <= last for first, last, _ in self._loops)

        return max((depth + around(first) for first, _, depth in self._loops), default=0)

    def _zone(self, number: int, token: Token) -> None:
        if not self._note_literal_call(number, f"now.{token.text}") and self._symbol(number + 2) != ")":
            self._add_flaw(token.start, "write the time zone as text in quotes")

    def _pattern(self, number: int) -> None:
        """Check the pattern of `matches`, its last argument both as a function and as a method."""
        closing = self._pairs.get(number + 1)
        if closing is None:
            return
        pattern, before = self._tokens[closing - 1], self._symbol(closing - 2)
        if pattern.kind is Kind.TEXT and before in ("(", ","):
            self._calls.append((f"''.matches({pattern.text})", pattern.start))
        else:
            text = "write the pattern of `matches` as text in quotes"
            self._add_flaw(self._tokens[number].start, text)

    def _note_literal_call(self, number: int, call: str) -> bool:
        """Note a call whose only argument is a text in quotes, so that checking evaluates it.

        Return whether this is such a call.
        """
        if self._symbol(number + 3) != ")" or self._tokens[number + 2].kind is not Kind.TEXT:
            return False
        argument = self._tokens[number + 2]
        self._calls.append((f"{call}({argument.text})", argument.start))
        return True

    def _wrap(self, first: int | None, name: int) -> None:
        closing = self._pairs.get(name + 1)
        if first is not None and closing is not None:
            self._before[first] = self._before.get(first, 0) + 1
            self._after[closing] = self._after.get(closing, 0) + 1

    def _operand_start(self, number: int) -> int | None:
        """The first token of the operand that ends here: from `)` in `facts.l.filter(x, true)` to `facts`."""
        at: int | None = number
        while at is not None and at >= 0:
            if self._symbol(at) in (")", "]", "}"):
                at = self._opening_operand(at)
                if at is None:
                    return None
                if self._symbol(at) in _OPENING:
                    return at
            if self._symbol(at - 1) != ".":
                return at
            at -= 2
        return None

    def _opening_operand(self, closing: int) -> int | None:
        """The first token of the operand that ends with this closing bracket."""
        at: int | None = closing
        while at is not None and self._symbol(at) in (")", "]", "}"):
            opening = self._pairs.get(at)
            if opening is None or not self._is_operand_end(opening - 1):
                return opening
            at = opening - 1
        return at

    # Division, and the text

    def _division(self, number: int, token: Token) -> None:
        first = number + 1
        while self._symbol(first) == "-":
            first += 1
        last = self._operand_end(first)
        if last is None:
            return
        if all(self._is_constant(at) for at in range(first, last + 1)):
            self._divisors.append((first, last))
        else:
            text = "this may divide by zero in some cases; an infinite limit approves nothing"
            self._flaws.append(ExpressionFlaw(token.start, text, warning=True))

    def _operand_end(self, first: int) -> int | None:
        """The last token of the operand that begins here: from `size` in `size(facts.l[0].m)` to its `)`."""
        if first >= len(self._tokens):
            return None
        called = self._tokens[first].kind is Kind.NAME and self._symbol(first + 1) == "("
        begins = first + 1 if called else first
        last = self._pairs.get(begins) if self._symbol(begins) in _OPENING else begins
        while last is not None and self._symbol(last + 1) in (".", "["):
            if self._symbol(last + 1) == "[":
                last = self._pairs.get(last + 1)
            else:
                last = self._pairs.get(last + 3) if self._symbol(last + 3) == "(" else last + 2
        return last if last is not None and last < len(self._tokens) else None

    def _is_constant(self, number: int) -> bool:
        """Whether a token has the same value for every case."""
        token = self._tokens[number]
        if token.kind is not Kind.NAME:
            return token.kind is not Kind.QUOTED_NAME
        if self._symbol(number + 1) == "(" or token.text in _LITERALS:
            return True
        definition = self._definitions.get(token.text)
        return definition is not None and (
            definition.translation is None or definition.translation.uses.names_nothing
        )

    def _translated(self, first: int, last: int) -> str:
        """These tokens as text for the library."""
        return " ".join(
            "double(" * self._before.get(number, 0)
            + (self._inlined.get(number) or self._replaced.get(number, self._tokens[number].text) or "")
            + ")" * self._after.get(number, 0)
            for number in range(first, last + 1)
        )

    def _pieces(self) -> list[Piece]:
        pieces: list[Piece] = []
        at = 0
        for number, token in enumerate(self._tokens):
            blank = self._text[at : token.start]
            if "//" in blank:
                pieces.append(Piece(" ", at, verbatim=False))
            elif blank:
                pieces.append(Piece(blank, at, verbatim=True))
            if self._before.get(number):
                pieces.append(Piece("double(" * self._before[number], token.start, verbatim=False))
            if number in self._inlined:
                pieces.append(Piece(self._inlined[number], token.start, verbatim=False))
            elif number in self._replaced:
                pieces.append(Piece(self._replaced[number] or "", token.start, verbatim=False))
            else:
                pieces.append(Piece(token.text, token.start, verbatim=True))
            if self._after.get(number):
                pieces.append(Piece(")" * self._after[number], token.start, verbatim=False))
            at = token.start + len(token.text)
        pieces.append(Piece("", len(self._text), verbatim=True))
        return [piece for piece in pieces if piece.text or piece is pieces[-1]]


def _pairs(tokens: list[Token]) -> dict[int, int]:
    """The matching bracket of each bracket, in both directions. Unmatched brackets are left out."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for number, token in enumerate(tokens):
        if token.kind is not Kind.SYMBOL:
            continue
        if token.text in _OPENING:
            waiting.append(number)
        elif waiting and token.text == _OPENING[tokens[waiting[-1]].text]:
            opening = waiting.pop()
            pairs[opening], pairs[number] = number, opening
    return pairs


def _rounded(value: int) -> str:
    try:
        return str(int(float(value)))
    except OverflowError:
        return "infinity"


def _as_double(text: str) -> str:
    digits = text.rstrip("uU")
    if digits.startswith("0x"):
        return f"{int(digits, 16)}.0"
    return digits if not digits.isdigit() else f"{digits}.0"
