"""How the stack's progress is shown: a bar and marks on a terminal, plain lines without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.problems import StackError, StartError


class Teller:
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
def counting(console: Console, what: str, total: int) -> Iterator[Counter]:
    """A bar for `total` things on a terminal; without one a line at the end."""
    with bar(console) as progress:
        counter = Counter(progress, progress.add_task(what, total=total))
        yield counter
    if not console.is_terminal:
        console.print(f"{what}: {counter.done} of {total}", highlight=False)


class Counter:
    """How many of the things are done."""

    def __init__(self, progress: Progress, task: object) -> None:
        self._progress = progress
        self.done = 0

    def set(self, done: int) -> None:
        """So many are done now."""
        self.done = done
        self._progress.update(self._progress.task_ids[0], completed=done)

    def add(self, more: int = 1) -> None:
        """So many more are done."""
        self.set(self.done + more)
