"""`mandaat explain`: explain in sentences why a case is decided as it is (docs/mandate.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from engine.events.effects import Event
from engine.explain.decided_request import DecidedRequest
from engine.explain.why import explain
from engine.explain.words import FILE, Sentences
from engine.inputs import OFFLINE, Submission
from engine.judging.budgets import Counters
from engine.policy import PolicyBook
from engine.policy.problems import PolicyProblem, problem
from engine.rehearsal import Rehearsal
from schemas.case import Case, SubmittedCase
from schemas.errors import Unreadable
from schemas.language import Language
from schemas.reading import read
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.policy_files import load_book, read_bytes
from services.cli.record_files import records_of
from services.cli.staff_files import did_you_mean, load_staff


def explain_case(
    policy: Annotated[Path, typer.Option(help="The policy, YAML 1.2.")],
    staff: Annotated[Path, typer.Option(help="The staff (docs/staff.md).")],
    case: Annotated[
        Path | None,
        typer.Argument(help="One case, or several: the last is explained. By default standard input."),
    ] = None,
    case_id: Annotated[str | None, typer.Option(help="Explain this one instead of the last.")] = None,
    lang: Annotated[Language, typer.Option(help="The language of the explanation.")] = "nl",
) -> None:
    """Explain, mandate by mandate, why a case is decided as it is.

    The cases above it are decided first, so that their charges count.
    """
    book = load_book(policy)
    people = load_staff(staff, book.tenant)
    above, wanted = _up_to(list(_cases(case, book)), case_id)
    rehearsal = Rehearsal(book, people)
    before: Counters | None = None
    for one in (*above, wanted):
        if (
            one.key == wanted.key and before is None
        ):  # explain a repeated case with the counters of its first time
            before = deepcopy(rehearsal.counters)
        decision, *more = _decide(one, rehearsal)
    approval = more[0]["data"]["approval"] if more else None
    use_of = (before or rehearsal.counters).use_of
    decided = DecidedRequest(wanted, wanted.opened_at, book, people, decision["data"], approval, use_of)
    words = Sentences.parse(files("engine.explain").joinpath(FILE).read_text("utf-8"))
    for line in explain(decided, words.about(book, lang)):
        typer.echo(str(line))


def _decide(case: Case, rehearsal: Rehearsal) -> tuple[Event, ...]:
    try:
        return rehearsal.decide(Submission(OFFLINE, case.case_id, case.opened_at, None, case))
    except Unreadable as why:
        typer.echo(f"case {case.case_id}: {why.reason}: {why.detail}", err=True)
        raise typer.Exit(WRONG) from why


def _up_to(cases: list[Case], case_id: str | None) -> tuple[list[Case], Case]:
    """The case to explain, and the cases above it."""
    places = [place for place, one in enumerate(cases) if case_id in (None, one.case_id)]
    if not places:
        hint = did_you_mean(case_id or "", {one.case_id for one in cases})
        said = "there is no case to explain" if case_id is None else f"there is no case {case_id}{hint}"
        typer.echo(said, err=True)
        raise typer.Exit(CALLED_WRONGLY)
    return cases[: places[-1]], cases[places[-1]]


def _cases(file: Path | None, book: PolicyBook) -> Iterator[Case]:
    """The cases of a file. At the first one that cannot be read the command ends (exit 1)."""
    of_input = file is None or str(file) == "-"
    named = "standard input" if of_input else str(file)
    content = sys.stdin.buffer.read() if file is None or of_input else read_bytes(file)
    for record in records_of(content.splitlines(keepends=True)):
        try:
            submitted = read(SubmittedCase, record.body)
        except Unreadable as flaw:
            _complain(named, record.problems(flaw))
        if submitted.tenant not in (None, book.tenant):
            text = f"the case is for tenant {submitted.tenant!r}, but the policy is for {book.tenant!r}"
            _complain(named, [problem(record.place_of("/tenant"), text)])
        yield submitted.of(book.tenant)


def _complain(file: str, problems: list[PolicyProblem]) -> NoReturn:
    for one in problems:
        typer.echo(f"{file}:{one}", err=True)
    raise typer.Exit(WRONG)
