"""`mandaat explain`, as a team lead calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import deploy.local
import engine.explain as explaining
from engine.explain.decided_request import DecidedRequest
from engine.explain.why import explain
from engine.explain.words import FILE, Sentences
from engine.inputs import Submission
from engine.policy_tests.plan import make_plan
from engine.policy_tests.shape import read_file
from engine.rehearsal import Rehearsal
from schemas.language import Language
from services.cli.app import build
from tests.builders.policies import a_mandate, a_policy, book_of

LOCAL = Path(deploy.local.__path__[0])
TEXT = files("engine.explain").joinpath(FILE).read_text("utf-8")
WORDS = Sentences.parse(TEXT)
PEOPLE = [
    {"agent_id": "agent-01", "tenant": "acme", "name": "R. Visser", "role": "agent", "team": "north"},
    {"agent_id": "lead", "tenant": "acme", "name": "L. Blom", "role": "team_lead", "team": "north"},
]
Explain = Callable[..., list[str]]


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(build("explain"), ["explain", *(str(word) for word in words)])


def a_line(case_id: str = "c-1", *, facts: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    asked = {"request_id": "r1", "kind": "refund", "amount": "60.00", "currency": "EUR", **request}
    return {
        "case_id": case_id,
        "opened_at": "2026-03-02T08:00:00Z",
        "customer": {"id": "cu-1"},
        "agent_id": "agent-01",
        "facts": {"days_late": 6, "order_value": 90.0} if facts is None else facts,
        "request": asked,
    }


@pytest.fixture
def told(tmp_path: Path) -> Explain:
    """The lines of an explanation, with plain spaces."""
    policy = a_policy(
        a_mandate(id="late", when="late", limit=50, budgets=["day"]),
        a_mandate(id="half", limit="0.5 * facts.order_value", budgets=["day"]),
        a_mandate(id="own", discretion={}, limit=75),
        a_mandate(id="flowers", grants="flowers"),
        a_mandate(id="lead", to="team_lead"),
        define={"late": "facts.days_late >= 2"},
        budgets={"day": {"per": "agent", "window": "day", "cap": 80}},
        prohibitions=[
            {"id": "fraud", "kinds": "*", "when": "facts.fraud == true", "reason": "fraud desk"},
            {"id": "cash", "kinds": "cash", "except": ["team_lead"], "reason": "only at the desk"},
        ],
        timezone="Europe/Amsterdam",
    )
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "staff.jsonl").write_text("".join(json.dumps(one) + "\n" for one in PEOPLE))

    def told(*cases: Any, lang: str = "nl", more: tuple[str, ...] = ()) -> list[str]:
        (tmp_path / "cases.jsonl").write_text("".join(json.dumps(one) + "\n" for one in cases))
        given = ("--policy", tmp_path / "policy.yaml", "--staff", tmp_path / "staff.jsonl")
        done = _run(*given, tmp_path / "cases.jsonl", "--lang", lang, *more)
        assert done.exit_code == 0, done.output
        return [line.strip() for line in done.stdout.replace("\u00a0", " ").splitlines()]

    return told


CLEAN = {"days_late": 6, "order_value": 90.0, "fraud": False}


def test_each_mandate_says_why_it_fits_or_not(told: Explain) -> None:
    lines = told(a_line(facts=CLEAN, amount="48.00"))
    for expected in (
        "R. Visser (agent, team north) vraagt “refund” van € 48,00 voor klant cu-1 in zaak c-1, op maandag 2"
        " maart 2026 om 09:00.",
        "fraud: geldt niet.",
        "Voorwaarde “facts.fraud == true”: klopt niet.",
        "facts.fraud: niet waar",
        "late: staat dit toe.",
        "Voorwaarde “late”: klopt.",
        "“late” betekent “facts.days_late >= 2”",
        "facts.days_late: 6",
        "Grens € 50,00; gevraagd is € 48,00: dat past.",
        "Budget “day” van medewerker agent-01: € 80,00 per dag; gebruikt € 0,00, over € 80,00, nodig € 48,00:"
        " genoeg.",
        "half: niet geprobeerd, want een mandaat hierboven staat het al toe.",
        "lead: is voor team lead; R. Visser is agent.",
        "own: niet geprobeerd, want er is niet gevraagd om een besluit naar eigen inzicht.",
        "Niet over “refund”: flowers.",
        "Besluit: goedgekeurd op grond van mandaat late.",
        "Afgeboekt van budget “day” van medewerker agent-01 (2026-03-02): € 48,00.",
    ):
        assert expected in lines


def test_a_blank_line_separates_the_parts_of_an_explanation(told: Explain) -> None:
    lines = told(a_line(facts=CLEAN, amount="48.00"))
    after = [line for before, line in pairwise(lines) if before == ""]
    assert after == [
        "Verboden",
        "Mandaten, in de volgorde waarin ze worden geprobeerd",
        "Besluit: goedgekeurd op grond van mandaat late.",
    ]


def test_a_mandate_says_whom_it_is_for_if_the_agent_is_unknown(told: Explain) -> None:
    lines = told({**a_line(facts=CLEAN), "agent_id": "nobody"})
    assert "lead: is voor team lead." in lines


def test_earlier_cases_count_in_the_budgets(told: Explain) -> None:
    before = a_line("c-0", facts=CLEAN, amount="45.00")
    lines = told(before, a_line(facts={**CLEAN, "days_late": 1}, amount="44.00"), lang="en")
    for expected in (
        "late: does not fit, because its condition is false.",
        "half: does not fit, because too little budget is left.",
        "Limit “0.5 * facts.order_value”, here €45.00; €44.00 is requested: within the limit.",
        "Budget “day” of agent agent-01: €80.00 a day; €45.00 used, €35.00 left, €44.00 needed: too little.",
        "There is room for this again from Tuesday 3 March 2026.",
        "Decision: escalated to somebody who may decide.",
        "Could have been granted at once: €35.00.",
        "Asked to decide (team lead): L. Blom (lead).",
    ):
        assert expected in lines


def test_a_prohibition_that_cannot_be_judged_says_which_fact_is_missing(told: Explain) -> None:
    lines = told(a_line())
    assert "fraud: niet vast te stellen of het geldt, dus iemand moet hierover beslissen: fraud desk" in lines
    assert (
        "Voorwaarde “facts.fraud == true”: niet te beoordelen, want facts.fraud ontbreekt in de zaak."
        in lines
    )
    assert "facts.fraud: ontbreekt" in lines
    assert "late: niet geprobeerd; de reden staat hieronder bij het besluit." in lines


def test_a_prohibition_names_the_exempt_roles(told: Explain) -> None:
    assert "cash: geldt, dus niemand mag dit toestaan, behalve team lead: only at the desk" in told(
        a_line(facts=CLEAN, kind="cash")
    )


def test_a_prohibition_is_explained_in_the_words_of_the_policy(told: Explain) -> None:
    lines = told(a_line(facts={**CLEAN, "fraud": True}))
    assert "fraud: geldt, dus niemand mag dit toestaan: fraud desk" in lines
    assert lines[-2:] == [
        "Besluit: afgewezen, want het is verboden. Er is geen mandaat geprobeerd.",
        "fraud desk",
    ]


def test_a_named_case_of_several_is_explained(told: Explain) -> None:
    cases = (a_line("c-0", facts=CLEAN, amount="45.00"), a_line("c-1", facts=CLEAN))
    assert "in zaak c-0" in told(*cases, more=("--case-id", "c-0"))[0]
    assert "in zaak c-1" in told(*cases)[0]


def test_a_repeated_case_is_explained_with_the_budgets_of_its_first_time(told: Explain) -> None:
    case = a_line(facts=CLEAN, amount="48.00")
    assert told(case, case) == told(case)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("policy", ["retail", "hotel"])
def test_every_case_of_the_policy_tests_can_be_explained(policy: str, language: Language) -> None:
    folder = LOCAL / policy
    book = book_of((folder / "policy.yaml").read_text())
    read, _ = read_file((folder / "policy.test.yaml").read_text())
    assert read is not None
    plan = make_plan(read.document, read.tree, book, (folder / "staff.jsonl").read_bytes().splitlines())
    for test in plan.tests:
        rehearsal = Rehearsal(book, plan.staff)
        for step in test.steps:
            before = deepcopy(rehearsal.counters)
            decision, *more = (event["data"] for event in rehearsal.decide(step.input))
            if not isinstance(step.input, Submission):
                continue
            case, approval = step.input.case, more[0]["approval"] if more else None
            decided = DecidedRequest(
                case, step.input.time, book, plan.staff, decision, approval, before.use_of
            )
            lines = [line.text for line in explain(decided, WORDS.about(book, language))]
            granting = [line for line in lines if line.endswith((": staat dit toe.", ": grants this."))]
            assert [line.partition(":")[0] for line in granting] == [
                name for name in [decision["mandate"]] if name is not None
            ]
            tried = {row["mandate"] for row in decision["reasons"] if "mandate" in row}
            assert tried <= {line.partition(":")[0] for line in lines}


def test_every_text_has_both_languages_and_the_same_figures() -> None:
    for key, texts in json.loads(TEXT)["texts"].items():
        named = [{name for _, name, _, _ in Formatter().parse(texts[one]) if name} for one in ("nl", "en")]
        assert named[0] == named[1] - {"error"}, key


def test_every_text_is_used() -> None:
    folder = Path(explaining.__path__[0])
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    beginnings = set(re.findall(r'f?"([a-z_]+(?:\.[a-z_]+)*)\.?(?:\{[^"]*)?"', code))
    for key in json.loads(TEXT)["texts"]:
        parts = key.split(".")
        assert any(".".join(parts[: n + 1]) in beginnings for n in range(len(parts))), key


def test_a_wrong_call_says_what_is_wrong(tmp_path: Path) -> None:
    given = ("--policy", LOCAL / "hotel/policy.yaml", "--staff", LOCAL / "hotel/staff.jsonl")
    case = tmp_path / "case.json"
    assert _run(*given, tmp_path / "gone.jsonl").exit_code == 2
    case.write_text('{"case_id": "c-1"}')
    assert _run(*given, case).exit_code == 1
    case.write_text(json.dumps({**a_line(), "tenant": "retail"}))
    assert _run(*given, case).exit_code == 1
    case.write_text(json.dumps(a_line(), indent=2))  # one case, over several lines
    assert _run(*given, case).exit_code == 0
    assert _run(*given, case, "--case-id", "c-2").exit_code == 2
