"""What kinds of request, reasons and facts are called in the reader's language (templates/words.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from schemas.decision import Reason
from schemas.language import Language, amount_text
from services.notifier.core.clean import clean_line

MOST_FACTS: Final = 30
MOST_REASONS: Final = 12
_MONEY: Final = frozenset({"limit", "left"})
_ROLES: Final = frozenset({"role", "step"})


@dataclass(frozen=True)
class Words:
    """Word lists by name and language."""

    kinds: Mapping[str, Mapping[str, str]]
    reasons: Mapping[str, Mapping[str, str]]
    signs: Mapping[str, Mapping[str, str]]

    @classmethod
    def parse(cls, text: str) -> Words:
        """Read words.json."""
        lists: dict[str, Any] = json.loads(text)
        return cls(lists["kinds"], lists["reasons"], lists["signs"])

    def sign(self, name: str, language: Language) -> str:
        """One of the small words."""
        return self.signs[name][language]

    def kind(self, kind: str, language: Language) -> str:
        """What the kind of request is called; a kind of the tenant's own by its id, with spaces."""
        known = self.kinds.get(kind)
        return (
            known[language] if known else clean_line(kind.replace("_", " ").replace("-", " ").strip() or kind)
        )

    def reason(self, reason: Reason, currency: str | None, language: Language) -> str:
        """A sentence made of the code and the figures.

        A code that is not known here, or figures that it lacks: the sentence that rules wrote.
        """
        special = f"{reason.code}.prohibition" if reason.prohibition is not None else reason.code
        sentences = self.reasons.get(special) or self.reasons.get(reason.code)
        if sentences is None:
            return clean_line(reason.text, 400)
        try:
            return sentences[language].format_map(_figures(reason, currency, language))
        except KeyError:
            return clean_line(reason.text, 400)

    def all_reasons(
        self, reasons: Sequence[Reason], currency: str | None, language: Language
    ) -> tuple[str, ...]:
        """A sentence for each, every sentence once; of very many only the first."""
        return tuple(
            dict.fromkeys(self.reason(reason, currency, language) for reason in reasons[:MOST_REASONS])
        )

    def facts(self, facts: Mapping[str, JsonValue] | None, language: Language) -> tuple[tuple[str, str], ...]:
        """Facts as pairs of a name and a value for people; of very many only the first."""
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


def _figures(reason: Reason, currency: str | None, language: Language) -> dict[str, str]:
    figures: dict[str, str] = {}
    for name, value in reason.figures.items():
        if name in _MONEY and isinstance(value, str) and currency is not None:
            figures[name] = amount_text(value, currency, language)
        elif name in _ROLES and isinstance(value, str):
            figures[name] = clean_line(value.replace("_", " "))
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            figures[name] = clean_line(str(value))
    if reason.mandate is not None:
        figures["mandate"] = clean_line(reason.mandate)
    if reason.prohibition is not None:
        figures["prohibition"] = clean_line(reason.prohibition)
    return figures
