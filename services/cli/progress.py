"""Show progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.problems import StackError, StartError


class StackProgress:
    """Prints the steps of each part, and the progress of fetching the jars of Kafka."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None

    def part(self, name: str, what: str) -> None:
        """Print one step of a part."""
        self._console.print(f"[bold]{name:<9}[/bold] {what}", highlight=False)

    def fetched(self, done: int, total: int) -> None:
        """Show the progress of fetching; nothing if all jars were present."""
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
        """Print a problem, with the end of the log of the failed process."""
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
def counters(console: Console, **totals: int | None) -> Iterator[ProgressCounters]:
    """Bars for several counts at once, each with its total (None: not yet known)."""
    with bar(console) as progress:
        counted = ProgressCounters(progress, totals)
        yield counted
    if not console.is_terminal:
        for task in progress.tasks:
            console.print(
                f"{task.description}: {task.completed:.0f} of {task.total or 0:.0f}", highlight=False
            )


class ProgressCounters:
    """Counts of finished things."""

    def __init__(self, progress: Progress, totals: Mapping[str, int | None]) -> None:
        self._progress = progress
        self._tasks = {name: progress.add_task(name, total=total) for name, total in totals.items()}

    def add(self, name: str) -> None:
        """Count one more."""
        self._progress.advance(self._tasks[name])

    def set(self, name: str, done: int, total: int | None = None) -> None:
        """Set a count, and its total if that is only known now."""
        self._progress.update(self._tasks[name], completed=done, total=total)
