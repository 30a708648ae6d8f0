"""`mandaat decide`: decide cases offline, with an empty ledger in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress

from engine.inputs import OFFLINE, Submission
from engine.judging.staff import Staff
from engine.policy import PolicyBook
from engine.policy.problems import problem
from engine.rehearsal import Rehearsal
from schemas.case import Case, SubmittedCase
from schemas.errors import Unreadable
from schemas.reading import read
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.policy_files import load_book
from services.cli.record_files import FileRecord, records_of
from services.cli.staff_files import load_staff


class _CannotDecideError(Exception):
    """The reason why a case cannot be decided."""


class OfflineEngine:
    """The engine with a ledger in memory. It decides every request once, at the time its case was opened."""

    def __init__(self, book: PolicyBook, staff: Staff) -> None:
        self._book = book
        self._rehearsal = Rehearsal(book, staff)

    def decide(self, body: bytes) -> str:
        """The `data` of the decision, as JSON. Raises Unreadable or _CannotDecideError."""
        case = self._case(body)
        decision, *_ = self._rehearsal.decide(Submission(OFFLINE, case.case_id, case.opened_at, None, case))
        return json.dumps(decision["data"], ensure_ascii=False, separators=(",", ":"))

    def _case(self, body: bytes) -> Case:
        submitted = read(SubmittedCase, body)
        tenant = submitted.tenant or self._book.tenant
        if tenant != self._book.tenant:
            raise _CannotDecideError(
                f"the case is for tenant {tenant!r}, but the policy is for {self._book.tenant!r}"
            )
        return submitted.of(tenant)


def decide(
    policy: Annotated[Path, typer.Option(help="The policy, YAML 1.2.")],
    staff: Annotated[Path, typer.Option(help="The staff (docs/staff.md).")],
    cases: Annotated[Path | None, typer.Argument(help="The cases; by default standard input.")] = None,
) -> None:
    """Decide cases offline, and print the data of each decision on a line, in the same order.

    The cases are JSON: one on each line (these are decided as they come), pretty-printed, or one array. A
    case that cannot be decided is reported on standard error with its place. The others are decided; the
    exit code is 1.
    """
    book = load_book(policy)
    engine = OfflineEngine(book, load_staff(staff, book.tenant))
    named = "standard input" if cases is None or str(cases) == "-" else str(cases)
    with _lines(cases) as lines:
        wrong = sum(not _decide_record(engine, named, record) for record in records_of(lines))
    if wrong:
        raise typer.Exit(WRONG)


def _decide_record(engine: OfflineEngine, file: str, record: FileRecord) -> bool:
    """Decide a case; whether that worked."""
    try:
        typer.echo(engine.decide(record.body))
    except Unreadable as flaw:
        for one in record.problems(flaw):
            typer.echo(f"{file}:{one}", err=True)
        return False
    except _CannotDecideError as flaw:
        typer.echo(f"{file}:{problem(record.place_of('/tenant'), str(flaw))}", err=True)
        return False
    return True


@contextmanager
def _lines(cases: Path | None) -> Iterator[Iterator[bytes]]:
    """The lines, as a stream; with a progress bar on a terminal."""
    if cases is None or str(cases) == "-":
        yield iter(sys.stdin.buffer)
        return
    try:
        size, file = cases.stat().st_size, cases.open("rb")
    except OSError as error:
        typer.echo(f"{cases}: {error.strerror or error}", err=True)
        raise typer.Exit(CALLED_WRONGLY) from error
    console = Console(stderr=True)
    with file, Progress(console=console, disable=sys.stdout.isatty() or not console.is_terminal) as bar:
        yield _counted(file, bar, size)


def _counted(file: BinaryIO, bar: Progress, size: int) -> Iterator[bytes]:
    task = bar.add_task("deciding", total=size)
    for line in file:
        yield line
        bar.advance(task, len(line))
