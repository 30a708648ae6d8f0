"""How the stack's progress is shown: a bar and marks on a terminal, plain lines without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.problems import StackError, StartError


class StackProgress:
    """Says what happens to each part, and how far the fetching of Kafka's jars is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None

    def part(self, name: str, what: str) -> None:
        """One line a step."""
        self._console.print(f"[bold]{name:<9}[/bold] {what}", highlight=False)

    def fetched(self, done: int, total: int) -> None:
        """Silent when all was there; a bar on a terminal, else a line at the start and one at the end."""
        if self._bar is None and done == total:
            return
        if self._bar is None:
            self._bar = bar(self._console)
            self._bar.add_task("fetching Kafka", total=total)
            self._bar.start()
            if not self._console.is_terminal:
                self.part("kafka", f"fetching {total - done} of {total} jars into the cache")
        self._bar.update(self._bar.task_ids[0], completed=done)
        if done == total:
            self._bar.stop()
            self._bar = None
            self.part("kafka", f"{total} jars are there, checksums as expected")

    def problem(self, problem: StackError) -> None:
        """What went wrong, with the end of the log of the process that failed."""
        if self._bar is not None:
            self._bar.stop()
        self._console.print(f"[bold red]{problem}[/bold red]", highlight=False, soft_wrap=True)
        if isinstance(problem, StartError) and problem.log_tail:
            self._console.print(problem.log_tail, markup=False, highlight=False, soft_wrap=True)


def bar(console: Console) -> Progress:
    """A progress bar that shows only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


@contextmanager
def counters(console: Console, **totals: int | None) -> Iterator[Counters]:
    """Bars for several things at once, each named with how many there will be (None: said later)."""
    with bar(console) as progress:
        counted = Counters(progress, totals)
        yield counted
    if not console.is_terminal:
        for task in progress.tasks:
            console.print(
                f"{task.description}: {task.completed:.0f} of {task.total or 0:.0f}", highlight=False
            )


class Counters:
    """How many of each thing are done."""

    def __init__(self, progress: Progress, totals: Mapping[str, int | None]) -> None:
        self._progress = progress
        self._tasks = {name: progress.add_task(name, total=total) for name, total in totals.items()}

    def add(self, name: str) -> None:
        """One more is done."""
        self._progress.advance(self._tasks[name])

    def set(self, name: str, done: int, total: int | None = None) -> None:
        """So many are done, of so many where that is known only now."""
        self._progress.update(self._tasks[name], completed=done, total=total)
