"""Laws that hold for every policy and case, looked for with hypothesis."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.rules.core.expressions.tokens import tokenize
from services.rules.core.expressions.translation import Definition, translate
from services.rules.core.policy import check_policy, load_policy
from services.rules.core.proposals import Approved, Escalated, Refused, Variant
from tests.judging import a_book, a_case, a_mandate, a_person, a_policy, a_staff, judge

CONDITIONS = st.sampled_from(
    [
        "facts.n > 10",
        "facts.n + request.amount < 50",
        "facts.s == 'x'",
        "has(facts.n)",
        "facts.l.size() > 1",
        "agent.role == 'agent'",
    ]
)
LIMITS = st.one_of(
    st.integers(0, 100),
    st.sampled_from(
        [9.99, "facts.n", "0.5 * facts.n", "request.amount - 1", "facts.n / facts.m", "100 - request.amount"]
    ),
)
MANDATES = st.lists(
    st.fixed_dictionaries(
        {
            "grants": st.sampled_from(["refund", "flowers", "*"]),
            "to": st.sampled_from(["agent", "senior", "manager"]),
        },
        optional={"when": CONDITIONS, "limit": LIMITS, "categories": st.just(["delivery"])},
    ),
    min_size=1,
    max_size=5,
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-100, 100),
    st.floats(-1e6, 1e6),
    st.text(max_size=3),
    st.just([1, 2]),
)
FACTS = st.dictionaries(st.sampled_from(["n", "m", "s", "l"]), VALUES)
AMOUNTS = st.one_of(st.none(), st.integers(0, 10_000).map(lambda minor: f"{minor / 100:.2f}"))
CASES = st.builds(
    lambda facts, amount, kind, category: a_case(
        facts=facts, amount=amount, currency=amount and "EUR", kind=kind, category=category
    ),
    FACTS,
    AMOUNTS,
    st.sampled_from(["refund", "flowers", "other"]),
    st.sampled_from(["delivery", None]),
)
ROLES = st.sampled_from(["agent", "senior", "team_lead", "manager"])


def _named(mandates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": f"m{place}", **mandate} for place, mandate in enumerate(mandates)]


def _judged(mandates: list[dict[str, Any]], case: Any, role: str) -> Variant:
    return judge(a_book(*_named(mandates)), case, a_staff(a_person(role=role)))


@given(MANDATES, CASES, ROLES)
def test_the_same_policy_staff_and_case_give_the_same_decision(mandates: Any, case: Any, role: str) -> None:
    assert _judged(mandates, case, role) == _judged(mandates, case, role)


@given(MANDATES, CASES, ROLES, st.data())
def test_a_wider_mandate_never_turns_an_approval_into_an_escalation(
    mandates: Any, case: Any, role: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(mandates) - 1))
    widened = data.draw(st.sampled_from(["when", "limit", "categories", "grants", "to"]))
    wider = {
        **mandates[place],
        **({"grants": "*"} if widened == "grants" else {"to": "agent"} if widened == "to" else {}),
    }
    if widened in ("when", "limit", "categories"):
        wider.pop(widened, None)
    before = _judged(mandates, case, role)
    after = _judged([*mandates[:place], wider, *mandates[place + 1 :]], case, role)
    assert isinstance(after, Approved) or isinstance(before, Escalated)


@given(MANDATES, CASES, ROLES)
def test_one_more_mandate_never_turns_an_approval_into_an_escalation(
    mandates: Any, case: Any, role: str
) -> None:
    if isinstance(_judged(mandates, case, role), Approved):
        assert isinstance(_judged([*mandates, a_mandate()], case, role), Approved)


@given(MANDATES, CASES, ROLES)
def test_a_person_with_a_wider_role_may_do_all_that_one_with_a_narrower_role_may(
    mandates: Any, case: Any, role: str
) -> None:
    blind = [{key: value for key, value in one.items() if "agent.role" not in str(value)} for one in mandates]
    if isinstance(_judged(blind, case, role), Approved):
        assert isinstance(_judged(blind, case, "manager"), Approved)


@given(MANDATES, CASES, ROLES)
def test_what_is_offered_on_the_spot_is_less_and_granted_when_asked_for(
    mandates: Any, case: Any, role: str
) -> None:
    concluded = _judged(mandates, case, role)
    if isinstance(concluded, Escalated) and concluded.on_the_spot is not None:
        asked = case.request.money
        assert 0 < concluded.on_the_spot.minor < asked.minor
        request = case.request.model_copy(update={"amount": concluded.on_the_spot.text})
        request.__dict__.pop("money", None)
        assert isinstance(_judged(mandates, case.model_copy(update={"request": request}), role), Approved)


@given(MANDATES, CASES, ROLES, CONDITIONS)
def test_a_prohibition_never_makes_an_approval(mandates: Any, case: Any, role: str, when: str) -> None:
    rule = {"id": "p", "kinds": "*", "when": when, "reason": "no"}
    book = a_book(*_named(mandates), prohibitions=[rule])
    concluded = judge(book, case, a_staff(a_person(role=role)))
    if isinstance(concluded, Approved):
        assert concluded == _judged(mandates, case, role)
    elif isinstance(concluded, Refused):
        assert [reason.prohibition for reason in concluded.reasons] == ["p"]


@given(MANDATES, st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_keys(mandates: Any, order: random.Random) -> None:
    text = a_policy(*_named(mandates))
    assert load_policy(_shuffled(text, order)).digest == load_policy(text).digest


def _shuffled(text: str, order: random.Random) -> str:
    def shuffle(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffle(item) for item in value]
        if isinstance(value, dict):
            return {key: shuffle(value[key]) for key in order.sample(list(value), len(value))}
        return value

    return json.dumps(shuffle(json.loads(text)), indent=order.choice([None, 2]))


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
def test_any_text_as_an_expression_is_a_policy_or_a_problem_in_the_file(text: str) -> None:
    book, problems = check_policy(a_policy(a_mandate(when=text)))
    assert (book is not None) != any(one.severity == "error" for one in problems)
    assert all(one.line >= 1 and one.column >= 1 for one in problems)
    if book is not None:
        assert judge(book, a_case(facts={"a": 1})) == judge(book, a_case(facts={"a": 1}))


@given(PIECES)
def test_every_character_of_a_translation_stands_for_one_of_the_text(text: str) -> None:
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
def test_any_text_as_a_policy_is_a_problem_and_nothing_else(text: str) -> None:
    book, problems = check_policy(text)
    assert book is None
    assert problems


@given(st.integers(0, 2000), st.text(alphabet="{}[]:-&*!|>'\"%#,? \n\tab~@`0", min_size=1, max_size=4))
def test_a_policy_with_something_put_into_it_is_a_policy_or_has_problems(place: int, inserted: str) -> None:
    text = a_policy(
        a_mandate(when="facts.a > 1", limit=5), prohibitions=[{"id": "p", "kinds": "x", "reason": "no"}]
    )
    place %= len(text)
    book, problems = check_policy(text[:place] + inserted + text[place:])
    assert (book is not None) != any(one.severity == "error" for one in problems)
