"""A worker reads the canonical JSON of a policy, and judges by it as the command line does by the YAML."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deploy.local
from engine.expressions.evaluation import Expression
from engine.policy import PolicyBook, PolicyProblems, load_policy
from engine.policy.canonical import digest_of
from engine.policy.checking import check_policy
from tests.builders.cases import a_case
from tests.builders.policies import a_budget, a_mandate, a_policy, book_of
from tests.judging import judge

RETAIL = (Path(deploy.local.__path__[0]) / "retail" / "policy.yaml").read_text()
FULL = a_policy(
    a_mandate(
        id="a", when="late && facts.x > 1", limit="facts.paid * 0.5", budgets=["b", a_budget(id="own")]
    ),
    a_mandate(id="b", grants="*", to=["senior", "team_lead"], categories=["x"], limit=12.5, discretion={}),
    a_mandate(id="c", grants=["refund", "credit"], limit=10_000_000_000_000),
    budgets={"b": a_budget(cap=0.1), "n": {"per": "team", "window": "30d", "count": 3}},
    define={"late": "facts.late"},
    prohibitions=[
        {"id": "p", "kinds": "*", "except": "manager", "when": "late", "reason": "Not after a while."}
    ],
    timezone="Europe/Amsterdam",
)


def told(value: Any) -> Any:
    """The content of a book, as values that can be compared."""
    if isinstance(value, Expression):
        return ("expression", value.text, value.names)
    if hasattr(value, "every"):
        return told(value.every())
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [told(item) for item in value]
    if hasattr(value, "__slots__") and not isinstance(value, str):
        return [told(getattr(value, name)) for name in value.__slots__]
    return value


@pytest.mark.parametrize("text", [RETAIL, FULL])
def test_the_book_of_the_json_is_the_book_of_the_file(text: str) -> None:
    book, _, canonical = check_policy(text)
    assert isinstance(book, PolicyBook)
    assert told(load_policy(canonical)) == told(book)


def test_the_digest_is_that_of_the_json_as_it_stands() -> None:
    book, _, canonical = check_policy(FULL)
    assert book is not None
    assert load_policy(canonical).digest == digest_of(canonical) == book.digest


@given(st.permutations("abcdef"), st.data())
def test_definitions_work_whatever_their_names(names: list[str], data: st.DataObject) -> None:
    define = {}
    for place, name in enumerate(names):
        above = data.draw(st.sampled_from([None, *names[:place]]), name)
        define[name] = f"facts.{name}" if above is None else f"{above} || facts.{name}"
    text = a_policy(a_mandate(when=names[-1]), define=define)
    book, problems, canonical = check_policy(text)
    assert book is not None, problems
    for fact in names:
        case = a_case(facts={**dict.fromkeys(names, False), fact: True})
        assert judge(load_policy(canonical), case) == judge(book, case)


def test_a_loop_variable_may_not_have_the_name_of_any_definition() -> None:
    loop = "facts.l.exists(b, b > 1)"
    for define in ({"a": loop, "b": "facts.x"}, {"b": "facts.x", "a": loop}):
        _, problems, _ = check_policy(a_policy(a_mandate(when="a && b"), define=define))
        assert [one.text for one in problems] == ["`b` is already in use; choose another name"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", '{"policy":"acme"}', "[" * 100_000, a_policy(a_mandate(to="nobody"))],
)
def test_other_json_is_a_problem_without_a_place(text: str) -> None:
    with pytest.raises(PolicyProblems) as found:
        load_policy(text)
    assert found.value.problems
    assert all((one.line, one.column) == (0, 0) for one in found.value.problems)
    assert not str(found.value).startswith("0:0")


@pytest.mark.parametrize(
    "value", ["null", '""', '" "', "1e999", "NaN", "1" + "0" * 400, '"\\ud800"', "[null]", '{"x":null}']
)
@pytest.mark.parametrize("key", ["limit", "when", "categories", "discretion", "budgets", "grants"])
def test_values_that_no_checked_policy_has_are_problems(key: str, value: str) -> None:
    text = a_policy(a_mandate(**{key: "HERE"})).replace('"HERE"', value)
    with pytest.raises(PolicyProblems) as found:
        load_policy(text)
    assert found.value.problems


@given(st.text(alphabet='{}[]:,"0123456789.eE+-nulltruefas \\ud8', max_size=40), st.integers(0, 2000))
def test_any_change_of_the_json_is_a_policy_or_a_problem(inserted: str, place: int) -> None:
    place %= len(FULL)
    with suppress(PolicyProblems):
        load_policy(FULL[:place] + inserted + FULL[place:])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "agent", "b", "*", "1 / 0"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "per", "a"]), below),
)


@given(st.data())
def test_any_value_in_any_place_of_the_json_gives_a_policy_or_a_problem(data: st.DataObject) -> None:
    document: Any = json.loads(FULL)
    part: Any = document
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys), "key")
        if not part[key] or not isinstance(part[key], dict | list) or data.draw(st.booleans(), "here"):
            break
        part = part[key]
    part[key] = data.draw(JSON, "value")
    with suppress(PolicyProblems):
        load_policy(json.dumps(document))


def test_a_number_means_the_same_in_both() -> None:
    for written in ("60.10", "60.1", "0x10", "1e3", "20.0", "9999999999999.99"):
        text = a_policy(a_mandate(limit="HERE")).replace('"HERE"', written)
        book = check_policy(text).book
        assert book is not None
        assert book_of(text).candidates("agent", "refund", None) == book.candidates("agent", "refund", None)


def test_a_worker_imports_no_reader_of_yaml() -> None:
    code = (
        "import sys, services.rules.app; "
        "print([one for one in sys.modules if one.partition('.')[0] in ('ruamel', 'yaml')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == []
