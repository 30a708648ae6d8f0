"""`mandaat ledger verify`: compare the ledger in Redis with the journal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console

from services.cli.addresses import KAFKA, REDIS, redis_url
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.kafka import Bootstrap, bootstrap_of
from services.cli.progress import bar

ledger_app = typer.Typer(no_args_is_help=True, help="Compare the ledger in Redis with the journal in Kafka.")


@ledger_app.callback()
def _group() -> None:
    """Compare the ledger in Redis with the journal in Kafka."""


@ledger_app.command()
def verify(
    kafka: Bootstrap = None,
    redis: Annotated[
        str | None,
        typer.Option(
            "--redis", metavar="URL", help=f"The address of Redis; by default {REDIS}, else the local stack."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of sentences.")] = False,
) -> None:
    """Replay the whole journal into a second ledger and compare the two; workers may decide meanwhile.

    Exit codes: 0 if they are equal, 1 if they differ, 2 if they cannot be compared. Until it ends, the replay
    takes as much memory in Redis as the ledger itself.
    """
    # Only rules reads its ledger, so a process of rules compares, and prints its progress here.
    environment = os.environ | {KAFKA: bootstrap_of(kafka), REDIS: redis_url(redis)}
    command = [sys.executable, "-m", "services.rules.verify"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - for the type checker
        result = _follow(process.stdout)
    if result is None:
        typer.echo("mandaat: the comparison ended without a result; its output is above.", err=True)
        raise typer.Exit(CALLED_WRONGLY)
    if "problem" in result:
        typer.echo(f"mandaat: {result['problem']}", err=True)
        raise typer.Exit(CALLED_WRONGLY)
    typer.echo(json.dumps(result) if as_json else "\n".join(_sentences(result)))
    if not result["equal"]:
        raise typer.Exit(WRONG)


def _follow(lines: Iterable[str]) -> dict[str, Any] | None:
    """Show the progress, and return the last line."""
    result: dict[str, Any] | None = None
    with bar(Console(stderr=True)) as shown:
        tasks = {what: shown.add_task(what, total=None) for what in ("records", "keys")}
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            if "equal" in said or "problem" in said:
                result = said
            for what, task in tasks.items():
                if result is None and what in said:
                    shown.update(task, completed=said[what], total=said.get("of"))
    return result


def _sentences(result: dict[str, Any]) -> list[str]:
    compared = ", ".join(f"{count} {what}" for what, count in sorted(result["compared"].items()))
    lines = [f"{result['records']} records of the journal replayed; compared: {compared or 'nothing'}"]
    if result["equal"]:
        return [*lines, "The ledger equals the journal."]
    lines.append(f"differences: {result['differences']}")
    for one in result["examples"]:
        place = f"{one['key']} {one['field']}".strip()
        lines.append(f"  {place}: the ledger has {_or_nothing(one['ledger'])},")
        lines.append(f"    the journal says {_or_nothing(one['journal'])}")
    if result["differences"] > len(result["examples"]):
        lines.append(f"  and {result['differences'] - len(result['examples'])} more")
    return lines


def _or_nothing(value: str | None) -> str:
    return "nothing" if value is None else value
