"""Put a person's mandates, and the prohibitions, into words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.explain.holdings import Room
from engine.explain.words import Speech
from engine.expressions.definitions import defined_in
from engine.expressions.evaluation import Expression
from engine.policy.book import Budget, Mandate, Prohibition


def mandate_in_words(
    row: Mandate, rooms: Mapping[str, Room | None], define: Mapping[str, str], speech: Speech
) -> str:
    """A mandate in sentences to its holder. `rooms`: by budget id; None if it depends on the case."""
    limit = row.limit if isinstance(row.limit, Expression) else None
    sentences = [_granted(row, speech), *_conditions(row, (row.when, limit), define, speech)]
    if row.discretion is not None:
        sentences.append(speech.say("may.discretion"))
        if row.discretion.reviewer is not None:
            reviewer = speech.name(row.discretion.reviewer)
            sentences.append(speech.say("may.discretion.reviewed", reviewer=reviewer))
    for budget in row.budgets:
        sentences += _of_budget(budget, rooms[budget.id], speech)
    return " ".join(sentences)


def prohibition_in_words(row: Prohibition, define: Mapping[str, str], speech: Speech) -> str:
    """A prohibition in sentences to a person to whom it applies."""
    kinds = speech.say("may.any_kind") if row.kinds is None else _named(row.kinds, speech)
    if row.named:
        roles = speech.any_of(speech.name(role) for role in row.named)
        sentence = speech.say("may.prohibited.except", kinds=kinds, roles=roles, reason=row.reason)
    else:
        sentence = speech.say("may.prohibited", kinds=kinds, reason=row.reason)
    return " ".join([sentence, *_conditions(row, (row.when,), define, speech)])


def _kinds(row: Mandate, speech: Speech) -> str:
    return speech.say("may.every_kind") if row.kinds is None else _named(row.kinds, speech)


def _named(kinds: Iterable[str], speech: Speech) -> str:
    return speech.any_of(speech.kind(kind) for kind in sorted(kinds))


def _conditions(
    row: Mandate | Prohibition,
    expressions: Iterable[Expression | None],
    define: Mapping[str, str],
    speech: Speech,
) -> Iterator[str]:
    """The categories and the condition, and the definitions that they use."""
    if row.categories is not None:
        yield speech.say("may.categories", categories=speech.any_of(sorted(row.categories)))
    if row.when is not None:
        yield speech.say("may.when", condition=row.when.text)
    texts = [one.text for one in expressions if one is not None]
    definitions = {name: text for used in texts for name, text in defined_in(used, define).items()}
    for name, text in definitions.items():
        yield speech.say("may.define", name=name, text=text)


def _granted(row: Mandate, speech: Speech) -> str:
    kinds = _kinds(row, speech)
    if row.limit is None:
        return speech.say("may.no_limit", kinds=kinds)
    if isinstance(row.limit, int):
        return speech.say("may.limit", kinds=kinds, limit=speech.minor(row.limit))
    return speech.say("may.formula", kinds=kinds, formula=row.limit.text)


def _of_budget(budget: Budget, room: Room | None, speech: Speech) -> list[str]:
    figures = {
        "budget": budget.id,
        "cap": speech.of_budget(budget, budget.most),
        "window": speech.window(budget),
        "per": speech.per(budget),
    }
    if room is None:
        return [speech.say(f"may.budget.{budget.per}", **figures)]
    used, left = speech.of_budget(budget, room.used), speech.of_budget(budget, room.left)
    sentences = [speech.say("may.budget", used=used, left=left, **figures)]
    if room.renews_at is not None:
        sentences.append(speech.say("may.budget.renews", moment=speech.moment(room.renews_at)))
    return sentences
