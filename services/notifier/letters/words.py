"""The names of kinds of request, reasons and facts in the reader's language.

The sentences of reasons are in the catalogue (schemas/reasons), everything else in templates/words.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import JsonValue

from schemas.decision import Reason
from schemas.language import Language, amount_text, moment_text
from schemas.reasons import CATALOGUE
from services.notifier.letters.clean import clean_line
from services.notifier.letters.kind_labels import NO_LABELS, Labels

MOST_FACTS: Final = 30
MOST_REASONS: Final = 12
_MONEY: Final = frozenset({"limit", "left"})
_MOMENTS: Final = frozenset({"renews_at"})
_ROLES: Final = frozenset({"role", "step", "except"})


@dataclass(frozen=True)
class Words:
    """Words and sentences, by name and language."""

    kinds: Mapping[str, Mapping[str, str]]
    signs: Mapping[str, Mapping[str, str]]

    @classmethod
    def parse(cls, text: str) -> Words:
        """Read words.json."""
        lists: dict[str, Any] = json.loads(text)
        return cls(lists["kinds"], lists["signs"])

    def sign(self, name: str, language: Language) -> str:
        """A short word, such as yes."""
        return self.signs[name][language]

    def kind(self, kind: str, language: Language, labels: Labels = NO_LABELS) -> str:
        """The name of a kind of request: the policy's label, else ours, else its id in words."""
        label = labels.get(kind, {}).get(language) or self.kinds.get(kind, {}).get(language)
        return clean_line(label or kind.replace("_", " ").replace("-", " ").strip() or kind)

    def reason(self, reason: Reason, currency: str | None, language: Language) -> str:
        """A sentence made of the code and the figures, and a second one where there are figures for it.

        A code that is not known here, or figures that it lacks: the sentence that rules wrote.
        """
        figures = _figures(reason, currency, language)
        special = _sentence(reason.code, _variant(reason), figures, language)
        first = special or _sentence(reason.code, "", figures, language)
        if first is None:
            return clean_line(reason.text, 400)
        never = any(reason.figures.get(name, "") is None for name in _MOMENTS)
        more = _sentence(reason.code, "never" if never else "more", figures, language)
        return first if more is None else f"{first} {more}"

    def all_reasons(
        self, reasons: Sequence[Reason], currency: str | None, language: Language
    ) -> tuple[str, ...]:
        """A sentence for each, every sentence once; of very many only the first."""
        return tuple(
            dict.fromkeys(self.reason(reason, currency, language) for reason in reasons[:MOST_REASONS])
        )

    def facts(self, facts: Mapping[str, JsonValue] | None, language: Language) -> tuple[tuple[str, str], ...]:
        """Facts as pairs of a name and a value, at most MOST_FACTS."""
        pairs = list((facts or {}).items())[:MOST_FACTS]
        return tuple(
            (clean_line(name.replace("_", " "), 80), self._fact(value, language)) for name, value in pairs
        )

    def _fact(self, value: JsonValue, language: Language) -> str:
        match value:
            case True | False:
                return self.sign("yes" if value else "no", language)
            case None:
                return self.sign("none", language)
            case str():
                return clean_line(value)
            case float() | int():
                return str(value).replace(".", ",") if language == "nl" else str(value)
            case _:
                return clean_line(json.dumps(value, ensure_ascii=False))


def _sentence(code: str, variant: str, figures: Mapping[str, str], language: Language) -> str | None:
    """None where the catalogue has no such sentence, or a figure in it is not there."""
    entry = CATALOGUE.get(code)
    sentence = None if entry is None else entry.letter.get(variant)
    try:
        return None if sentence is None else sentence.of(language).format_map(figures)
    except KeyError:
        return None


def _variant(reason: Reason) -> str:
    """The variant of the sentence for this use of the code; the usual one is used where there is none."""
    if reason.code == "prohibited" and reason.figures.get("except"):
        return "except"
    if reason.prohibition is not None:
        return "prohibition"
    return "count" if isinstance(reason.figures.get("left"), int) else ""


def _figures(reason: Reason, currency: str | None, language: Language) -> dict[str, str]:
    figures = {"mandate": reason.mandate, "prohibition": reason.prohibition}
    texts = {name: clean_line(text) for name, text in figures.items() if text is not None}
    for name, value in reason.figures.items():
        text = _figure(name, value, reason, currency, language)
        if text is not None:
            texts.setdefault(name, text)
    return texts


def _figure(
    name: str, value: JsonValue, reason: Reason, currency: str | None, language: Language
) -> str | None:
    """A figure for people; None where it says nothing."""
    match value:
        case None | bool() | list() | dict():
            return None
        case str() if name in _MONEY and currency is not None:
            return amount_text(value, currency, language)
        case str() if name in _ROLES:
            return clean_line(value.replace("_", " "))
        case str() if name in _MOMENTS:
            return _moment(value, reason.figures.get("timezone"), language)
        case _:
            return clean_line(str(value))


def _moment(value: str, zone: JsonValue, language: Language) -> str | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return moment_text(at, zone if isinstance(zone, str) else None, language)
