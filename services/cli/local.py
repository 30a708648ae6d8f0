"""`mandaat local`: run the whole stack on this machine without Docker."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local import access
from deploy.local.problems import StackError
from deploy.local.settings import Ports, state_dir
from deploy.local.stack import ALL, PartStatus, Stack
from services.cli.addresses import settings_of
from services.cli.exit_codes import WRONG
from services.cli.progress import StackProgress

local_app = typer.Typer(help="Run the whole stack on this machine without Docker.", no_args_is_help=True)


@local_app.command()
def up(
    only: Annotated[
        str, typer.Option(help=f"Only these parts, with commas: {', '.join(ALL)}. By default all.")
    ] = "",
) -> None:
    """Start the parts that are not running, and return when all are ready. Data is kept between runs."""
    console = Console()
    chosen = _parts(only)
    stack = _stack(console)
    try:
        stack.up(chosen)
    except StackError as problem:
        StackProgress(Console(stderr=True)).problem(problem)
        raise typer.Exit(WRONG) from problem
    _print_addresses(console, stack)


@local_app.command()
def down() -> None:
    """Stop all parts; data stays."""
    console = Console()
    try:
        _stack(console).down()
    except StackError as problem:
        StackProgress(Console(stderr=True)).problem(problem)
        raise typer.Exit(WRONG) from problem
    console.print("nothing runs")


@local_app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the local API keys.")] = False,
) -> None:
    """Show each part with its ports and log. Exit code 1 if not everything is ready."""
    console = Console()
    stack = _stack(console)
    parts = stack.status()
    if as_json:
        typer.echo(json.dumps(_report(stack, parts), indent=2))
    else:
        console.print(_table(parts))
        _print_addresses(console, stack)
    if not all(part.ready for part in parts):
        raise typer.Exit(WRONG)


def _stack(console: Console) -> Stack:
    progress = StackProgress(console)
    return Stack(state_dir(), settings_of(Ports), report=progress.part, fetched=progress.fetched)


def _parts(only: str) -> list[str]:
    chosen = [name.strip() for name in only.split(",") if name.strip()] or list(ALL)
    unknown = [name for name in chosen if name not in ALL]
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    return chosen


def _report(stack: Stack, parts: list[PartStatus]) -> dict[str, object]:
    keys = {tenant: access.key_file(stack.state, tenant) for tenant in access.TENANTS}
    return {
        "state": str(stack.state),
        "ready": all(part.ready for part in parts),
        "parts": {
            part.name: {"pid": part.pid, "ready": part.ready, "ports": dict(part.ports), "log": str(part.log)}
            for part in parts
        },
        "addresses": stack.addresses(),
        "api_keys": {
            tenant: path.read_text(encoding="ascii").strip() for tenant, path in keys.items() if path.exists()
        },
    }


def _table(parts: list[PartStatus]) -> Table:
    table = Table("part", "state", "process", "ports", "log")
    for part in parts:
        state = "ready" if part.ready else "not ready" if part.pid else "does not run"
        ports = ", ".join(map(str, part.ports.values()))
        table.add_row(part.name, state, str(part.pid or ""), ports, part.log.name)
    return table


def _print_addresses(console: Console, stack: Stack) -> None:
    for name, address in stack.addresses().items():
        console.print(f"[bold]{name:<9}[/bold] {address}", highlight=False, soft_wrap=True)
