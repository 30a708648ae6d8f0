"""The sentences of words.json, by key and language. The code contains no sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from engine.policy.book import Budget, PolicyBook
from schemas.language import Language, amount_text, moment_text
from schemas.money import Money
from schemas.reasons import CATALOGUE

FILE: Final = "words.json"
"""The file of the sentences, beside this module."""
MOST_CHARACTERS: Final = 200
"""The most characters of a value of a case. A longer value is cut."""
_DECIMALS: Final = 10


@dataclass(frozen=True)
class Sentences:
    """Texts by key and language."""

    texts: Mapping[str, Mapping[str, str]]

    @classmethod
    def parse(cls, text: str) -> Sentences:
        """Read words.json."""
        lists: dict[str, Any] = json.loads(text)
        return cls(lists["texts"])

    def about(self, book: PolicyBook, language: Language) -> Speech:
        """The sentences for one reader, with amounts in the policy's currency and times in its time zone."""
        return Speech(self, language, book.currency, book.timezone, book.labels)


@dataclass(frozen=True)
class Speech:
    """The sentences in one language, for one policy."""

    words: Sentences
    language: Language
    currency: str
    zone: str | None
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The labels of kinds in the policy."""

    def say(self, key: str, **figures: object) -> str:
        """The text of a key with its figures. Raises KeyError for an unknown key."""
        return self.words.texts[key][self.language].format_map(figures)

    def has(self, key: str) -> bool:
        """Whether this key has a text."""
        return key in self.words.texts

    def reason(self, code: str, **figures: object) -> str | None:
        """The sentence that explains a reason, with its figures; None if the catalogue has none."""
        entry = CATALOGUE.get(code)
        sentence = None if entry is None else entry.explain
        return None if sentence is None else sentence.of(self.language).format_map(figures)

    def any_of(self, names: Iterable[str]) -> str:
        """`a, b or c`."""
        *first, last = names
        return self.say("list.or", first=", ".join(first), last=last) if first else last

    def amount(self, amount: Money) -> str:
        """An amount for people."""
        return amount_text(amount.text, amount.currency, self.language)

    def minor(self, minor: int) -> str:
        """An amount in the policy's currency."""
        return self.amount(Money(minor, self.currency))

    def of_budget(self, budget: Budget, number: int) -> str:
        """An amount, or a number of decisions, of this budget."""
        if budget.cap is not None:
            return self.minor(number)
        return self.decisions(number)

    def decisions(self, number: int) -> str:
        """A number of decisions."""
        return self.say("decisions.one" if number == 1 else "decisions", number=number)

    def whose(self, scope: str) -> str:
        """The owner of a counter, from a scope such as `team:north`."""
        what, _, whom = scope.partition(":")
        return self.say(f"scope.{what}", whom=whom)

    def window(self, budget: Budget) -> str:
        """The window of a budget, as in `a day`."""
        return self.say(f"window.{budget.window.kind}", days=budget.window.days)

    def per(self, budget: Budget) -> str:
        """The owner of a budget, as in `for each agent`."""
        return self.say(f"per.{budget.per}")

    def moment(self, moment: datetime) -> str:
        """A time in the policy's zone."""
        return moment_text(moment, self.zone, self.language)

    def name(self, name: str) -> str:
        """An id, as words."""
        return name.replace("_", " ").replace("-", " ").strip() or name

    def kind(self, kind: str) -> str:
        """The label of a kind in the policy; without one, its id as words."""
        return self.labels.get(kind, {}).get(self.language) or self.name(kind)

    def value(self, value: object) -> str:
        """A value of a case."""
        match value:
            case True | False:
                return self.say("value.true" if value else "value.false")
            case None:
                return self.say("value.null")
            case float() | int():
                text = f"{value:.{_DECIMALS}g}" if isinstance(value, float) else str(value)
                return text.replace(".", ",") if self.language == "nl" else text
            case str():
                return self.say("value.text", text=_cut(value))
            case datetime():
                return self.moment(value)
            case _:
                return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"
