"""One entry of the catalogue of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.language import Language


class Sentence(NamedTuple):
    """A sentence for people, in each language; figures stand in braces."""

    nl: str
    en: str

    def of(self, language: Language) -> str:
        """The sentence in this language."""
        text: str = getattr(self, language)
        return text


@dataclass(frozen=True)
class ReasonEntry:
    """A code with its texts: in events, in letters, and in what `mandaat explain` prints.

    `meaning` and `figures` are what the documentation says. `about`: a mandate that does not cover what is
    asked, the request as a whole, or a reply.

    The sentences of `event` are English. A sentence is found by its variant; "" is the usual one. It may use
    the figures, `mandate` and `prohibition`; one of an event also what the place that gives it adds.
    A letter without a sentence for a reason repeats the one of the event, or says it in its own text.
    """

    code: str
    about: Literal["mandate", "request", "reply"]
    meaning: str
    figures: tuple[str, ...]
    event: Mapping[str, str]
    letter: Mapping[str, Sentence] = field(default_factory=dict)
    explain: Sentence | None = None
