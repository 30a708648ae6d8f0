"""The catalogue of reasons: their codes, sentences, figures and meanings."""

from schemas.reasons.catalogue import CATALOGUE
from schemas.reasons.entry import ReasonEntry, Sentence

__all__ = ["CATALOGUE", "ReasonEntry", "Sentence"]
