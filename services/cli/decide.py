"""`mandaat decide`: decide cases offline, with an empty ledger in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress

from engine.inputs import OFFLINE, Submission
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from engine.rehearsal import Rehearsal
from schemas.case import Case, SubmittedCase
from schemas.errors import Unreadable
from schemas.reading import read
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.policy_files import load_book
from services.cli.staff_files import about_a_line, load_staff


class _CannotDecideError(Exception):
    """The reason why a line cannot be decided."""


class OfflineEngine:
    """The engine with a ledger in memory. It decides every request once, at the time its case was opened."""

    def __init__(self, book: PolicyBook, staff: Staff) -> None:
        self._book = book
        self._rehearsal = Rehearsal(book, staff)

    def decide(self, line: bytes) -> str:
        """The `data` of the decision, as JSON. Raises Unreadable or _CannotDecideError."""
        case = self._case(line)
        decision, *_ = self._rehearsal.decide(Submission(OFFLINE, case.case_id, case.opened_at, None, case))
        return json.dumps(decision["data"], ensure_ascii=False, separators=(",", ":"))

    def _case(self, line: bytes) -> Case:
        submitted = read(SubmittedCase, line)
        tenant = submitted.tenant or self._book.tenant
        if tenant != self._book.tenant:
            raise _CannotDecideError(
                f"the case is for tenant {tenant!r}, but the policy is for {self._book.tenant!r}"
            )
        return submitted.of(tenant)


def decide(
    policy: Annotated[Path, typer.Option(help="The policy, YAML 1.2.")],
    staff: Annotated[Path, typer.Option(help="The staff, one record a line.")],
    cases: Annotated[Path | None, typer.Argument(help="The cases; by default standard input.")] = None,
) -> None:
    """Decide cases offline: read a case a line, and print the data of its decision, in the same order.

    A line that cannot be decided is reported on standard error. The others are decided; the exit code is 1.
    """
    book = load_book(policy)
    engine = OfflineEngine(book, load_staff(staff, book.tenant))
    with _lines(cases) as lines:
        where = "line " if cases is None or str(cases) == "-" else f"{cases}:"
        wrong = sum(not _decide_line(engine, f"{where}{number}", line) for number, line in lines)
    if wrong:
        raise typer.Exit(WRONG)


def _decide_line(engine: OfflineEngine, place: str, line: bytes) -> bool:
    """Decide a line; whether that worked. An empty line is skipped."""
    if not line.strip():
        return True
    try:
        typer.echo(engine.decide(line))
    except (Unreadable, _CannotDecideError) as flaw:
        text = f"{flaw.reason}: {about_a_line(flaw.detail)}" if isinstance(flaw, Unreadable) else str(flaw)
        typer.echo(f"{place}: {text}", err=True)
        return False
    return True


@contextmanager
def _lines(cases: Path | None) -> Iterator[Iterable[tuple[int, bytes]]]:
    """The lines with their numbers, from 1; with a progress bar on a terminal."""
    if cases is None or str(cases) == "-":
        yield enumerate(sys.stdin.buffer, 1)
        return
    try:
        size, file = cases.stat().st_size, cases.open("rb")
    except OSError as error:
        typer.echo(f"{cases}: {error.strerror or error}", err=True)
        raise typer.Exit(CALLED_WRONGLY) from error
    console = Console(stderr=True)
    with file, Progress(console=console, disable=sys.stdout.isatty() or not console.is_terminal) as bar:
        yield _counted(file, bar, size)


def _counted(file: BinaryIO, bar: Progress, size: int) -> Iterator[tuple[int, bytes]]:
    task = bar.add_task("deciding", total=size)
    for number, line in enumerate(file, 1):
        yield number, line
        bar.advance(task, len(line))
