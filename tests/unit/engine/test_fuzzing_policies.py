"""Any text of a policy is either read or reported with its place, tested with random texts."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.expressions.tokens import tokenize
from engine.expressions.translation import Definition, translate
from engine.policy.checking import check_policy
from tests.builders.cases import a_case
from tests.builders.policies import a_budget, a_mandate, a_policy, book_of
from tests.judging import judge

PIECES = st.lists(
    st.sampled_from(
        [
            *("()[]{}.,?:+-*/%<>!\"'\\ \n"),
            *("&&", "||", "==", "90", "0x1F", "1.5", ".5", "1u", "'a'", '"""', "r'", "//", "é", "😀", "\0"),
            *(
                "facts",
                "facts.a",
                "request",
                ".amount",
                "request.amount",
                "now",
                "name",
                "x",
                "`a b`",
                "true",
            ),
            *("has", "size", ".size()", ".exists(", "in", ".getHours()", ".matches(", "duration("),
        ]
    ),
    max_size=25,
).map("".join)


@given(st.one_of(PIECES, st.text(max_size=60)))
def test_any_expression_gives_a_policy_or_a_problem_with_a_place(text: str) -> None:
    book, problems, _ = check_policy(a_policy(a_mandate(when=text)))
    assert (book is not None) != any(one.severity == "error" for one in problems)
    assert all(one.line >= 1 and one.column >= 1 for one in problems)
    if book is not None:
        assert judge(book, a_case(facts={"a": 1})) == judge(book, a_case(facts={"a": 1}))


@given(PIECES)
def test_every_character_of_a_translation_has_a_place_in_the_source(text: str) -> None:
    translation = translate(text, {"name": Definition(translate("facts.b", {}))})
    places = [translation.source_index(at) for at in range(len(translation.text) + 1)]
    assert all(0 <= place <= len(text) for place in places)


@given(PIECES)
def test_tokens_cover_the_text_in_its_order(text: str) -> None:
    at = 0
    for token in tokenize(text):
        assert not text[at : token.start].strip()
        assert text[token.start :].startswith(token.text)
        at = token.start + len(token.text)
    assert not text[at:].strip()


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_random_text_as_a_policy_gives_problems_only(text: str) -> None:
    book, problems, _ = check_policy(text)
    assert book is None
    assert problems


@given(st.integers(0, 2000), st.text(alphabet="{}[]:-&*!|>'\"%#,? \n\tab~@`0", min_size=1, max_size=4))
def test_any_insertion_into_a_policy_gives_a_policy_or_problems(place: int, inserted: str) -> None:
    text = a_policy(
        a_mandate(when="facts.a > 1", limit=5), prohibitions=[{"id": "p", "kinds": "x", "reason": "no"}]
    )
    place %= len(text)
    book, problems, _ = check_policy(text[:place] + inserted + text[place:])
    assert (book is not None) != any(one.severity == "error" for one in problems)


@given(st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_keys(order: random.Random) -> None:
    mandate = a_mandate(when="late", limit=5, budgets=["b", a_budget(id="own")])
    more = {"budgets": {"b": a_budget()}, "define": {"late": "facts.a"}, "timezone": "UTC"}
    text = a_policy(mandate, **more)
    assert book_of(_shuffled(text, order)).digest == book_of(text).digest


def _shuffled(text: str, order: random.Random) -> str:
    def shuffle(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffle(item) for item in value]
        if isinstance(value, dict):
            return {key: shuffle(value[key]) for key in order.sample(list(value), len(value))}
        return value

    return json.dumps(shuffle(json.loads(text)), indent=order.choice([None, 2]))
