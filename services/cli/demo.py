"""`mandaat demo`: run real cases through the whole system on this machine, and check the results."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, time
from types import FrameType
from typing import Annotated, NamedTuple, NoReturn

import httpx
import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from deploy.local.demo import doors, retail
from deploy.local.demo.outcome import DemoOutcome
from deploy.local.demo.retail import RetailCase
from deploy.local.demo.watch import watch
from deploy.local.guardian import guarded
from deploy.local.part import listening
from deploy.local.problems import StackError
from deploy.local.settings import Ports, free_ports, state_dir
from deploy.local.stack import ALL, Stack
from services.cli import demo_report, demo_story
from services.cli.addresses import settings_of
from services.cli.exit_codes import WRONG
from services.cli.progress import StackProgress, counters
from services.cli.publish import publish_policy, publish_staff

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Began(NamedTuple):
    """When the command began, by the monotonic clock, and how long installing had taken before."""

    at: float
    installing_seconds: float

    def in_all(self) -> str:
        """How long it took so far."""
        seconds = monotonic() - self.at
        if round(self.installing_seconds) < 1:
            return f"[bold]{seconds:.0f} s[/bold] in all, downloading Kafka included"
        return (
            f"[bold]{seconds + self.installing_seconds:.0f} s[/bold] in all, downloads included: "
            f"{self.installing_seconds:.0f} s to install, {seconds:.0f} s to run"
        )


def demo(
    stay: Annotated[
        bool | None, typer.Option(help="Keep running until Ctrl-C; the default on a terminal.")
    ] = None,
    started_at: Annotated[
        float | None,
        typer.Option(hidden=True, help="When `make demo` began, in seconds since 1970: before installing."),
    ] = None,
) -> None:
    """Run 1,166 real cases through both doors, rules, ledger and notices, and check the results.

    Then it approves one escalated case, and tells what happened to it, with the mails that were sent.
    It uses a state directory of its own, which is empty at the start of each run: a known request is decided
    only once. The exit code is 1 if anything differs, with the differences, or if it is stopped before its
    report. After the report, Ctrl-C ends it with the result of the report.
    """
    console = Console(highlight=False)
    started = monotonic()
    installing = max(0.0, time() - started_at) if started_at is not None else 0.0
    try:
        with _stopped_by_signals(), _only_one(state_dir()):
            right = _run(console, Began(started, installing), sys.stdout.isatty() if stay is None else stay)
    except StackError as problem:
        StackProgress(Console(stderr=True)).problem(problem)
        raise typer.Exit(WRONG) from problem
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped before the report; nothing is running")
        raise typer.Exit(WRONG) from None
    if not right:
        raise typer.Exit(WRONG)


def _run(console: Console, began: Began, stay: bool) -> bool:
    stack = _fresh_stack(console)
    with guarded(stack.state):
        return _run_in(stack, console, began, stay)


def _run_in(stack: Stack, console: Console, began: Began, stay: bool) -> bool:
    try:
        stack.up()
        publish_policy(retail.FOLDER / "policy.yaml", stack.bootstrap)
        publish_staff(retail.FOLDER / "staff.jsonl", stack.bootstrap)
        cases = retail.retail_cases()
        outcome = asyncio.run(_run_cases(console, stack, cases))
        right = demo_report.show(console, stack, cases, outcome)
        story = demo_story.tell(console, stack, cases)
        demo_story.show_next(console, stack, story, stays=stay)
        console.print(f"\n{began.in_all()}")
        if stay:
            _wait_for_ctrl_c(console, stack)
    finally:
        _ignore_signals()
        stack.down()
    return right


def _fresh_stack(console: Console) -> Stack:
    """A stack in `<state>/demo`, after stopping and removing that of an earlier run."""
    progress, state = StackProgress(console), state_dir() / "demo"
    ports = settings_of(Ports)
    Stack(state, ports, report=progress.part).down()
    shutil.rmtree(state)
    if any(listening(port) for port in ports.model_dump().values()):
        progress.part("ports", "some default ports are taken; using free ones")
        ports = free_ports()
    console.print(f"[bold]state[/bold]     {state}: empty at the start of each run", soft_wrap=True)
    return Stack(state, ports, report=progress.part, fetched=progress.fetched)


async def _run_cases(console: Console, stack: Stack, cases: Sequence[RetailCase]) -> DemoOutcome:
    """Publish half of the cases at each door, and read the results meanwhile."""
    key, refused = stack.api_key(retail.TENANT), list[Exception]()
    with counters(console, published=len(cases), decided=len(cases), notified=None) as count:

        def seen(outcome: DemoOutcome) -> None:
            count.set("decided", len(outcome.first))
            count.set("notified", outcome.ended_notices, total=len(outcome.due))

        def must_stop() -> bool:
            return bool(refused) or not all(map(stack.running, ALL))

        one_more = partial(count.add, "published")
        reading = asyncio.create_task(watch(stack.bootstrap, cases, seen, must_stop))
        try:
            async with asyncio.TaskGroup() as doors_open:
                doors_open.create_task(doors.over_http(stack.http("intake"), key, cases[::2], one_more))
                doors_open.create_task(doors.over_kafka(stack.bootstrap, cases[1::2], one_more))
        except* (httpx.HTTPError, KafkaError, doors.RefusedError) as problems:
            refused += problems.exceptions
        outcome = await reading
    stack.refuse_stopped()
    if refused:
        raise StackError(f"a case was not accepted: {refused[0]!r}")
    return outcome


def _wait_for_ctrl_c(console: Console, stack: Stack) -> None:
    console.print(
        f"\nThe stack keeps running until Ctrl-C. In another terminal: "
        f"[bold]MANDAAT_STATE_DIR={stack.state} {sys.argv[0]} local status[/bold]",
        soft_wrap=True,
    )
    with suppress(KeyboardInterrupt):
        signal.pause()


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Raises StackError if another demonstration runs in this state directory."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"a demonstration is already running in {state}: end it there with Ctrl-C"
            ) from None
        yield


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end it as Ctrl-C does, with nothing left running."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """Ignore a second Ctrl-C while the stack stops, so that nothing is left running."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
