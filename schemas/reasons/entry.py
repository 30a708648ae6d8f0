"""One entry of the catalogue of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.language import Language


class Sentence(NamedTuple):
    """A sentence for people in each language. Figures are in braces."""

    nl: str
    en: str

    def of(self, language: Language) -> str:
        """The sentence in this language."""
        text: str = getattr(self, language)
        return text


@dataclass(frozen=True)
class ReasonEntry:
    """A code with its texts in events, in letters, and in the output of `mandaat explain`.

    `about`: the subject of the reason. It is a mandate that does not cover the request, the whole request, or
    a reply. `meaning` and `figures` are for the documentation.

    `event` and `letter` hold sentences by variant; "" is the usual variant. A sentence may use the figures,
    `mandate` and `prohibition`. The sentences of `event` are in English, and may also use values that only
    engine/reasons.py gives. Without a sentence for a reason, a letter uses the sentence of the event, or has
    the reason in its own text.
    """

    code: str
    about: Literal["mandate", "request", "reply"]
    meaning: str
    figures: tuple[str, ...]
    event: Mapping[str, str]
    letter: Mapping[str, Sentence] = field(default_factory=dict)
    explain: Sentence | None = None
