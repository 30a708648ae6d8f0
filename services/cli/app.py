"""`mandaat`: all commands. Each is imported only when it is called, so that the others start fast."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.metadata import distribution
from typing import Annotated, Final, NamedTuple

import typer


class _Command(NamedTuple):
    """The place of a command (a typer application or a function) and its help text."""

    module: str
    name: str
    help: str


COMMANDS: Final = {
    "demo": _Command("services.cli.demo", "demo", "Run 1,166 real cases through the whole system here."),
    "local": _Command(
        "services.cli.local", "local_app", "The whole stack on this machine: up, down, status."
    ),
    "serve": _Command("services.cli.serve", "serve", "Run one service: intake, rules or notifier."),
    "keys": _Command("services.cli.keys", "keys_app", "The keys of callers: add, list, revoke."),
    "topics": _Command("services.cli.topics", "topics", "Create or check all topics with their settings."),
    "publish": _Command("services.cli.publish", "publish_app", "Activate a policy, or publish staff."),
    "staff": _Command("services.cli.staff", "staff_app", "The published staff: list, remove."),
    "policy": _Command(
        "services.cli.policy",
        "policy_app",
        "Check and test a policy file; show and roll back published ones.",
    ),
    "decide": _Command("services.cli.decide", "decide", "Decide cases offline with the same engine."),
    "explain": _Command(
        "services.cli.explain", "explain_case", "Explain, mandate by mandate, why a case is decided so."
    ),
    "ledger": _Command("services.cli.ledger", "ledger_app", "Compare Redis with the journal."),
    "dead-letters": _Command(
        "services.cli.dead_letters", "dead_letters_app", "Records that failed: list, show, redrive."
    ),
}


def build(called: str | None) -> typer.Typer:
    """The application; only the command that is called is imported."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

    @app.callback()
    def _root(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
        ] = False,
    ) -> None:
        """Decision authority for contact-centre staff.

        Exit codes: 0; 1 if something is wrong; 2 if the command was called wrongly or cannot run.
        """

    for name, entry in COMMANDS.items():
        if name != called:
            app.command(name, help=entry.help)(_only_listed)
            continue
        command = getattr(import_module(entry.module), entry.name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=entry.help)
        else:
            app.command(name)(command)  # its help is its docstring, which says more than the list
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mandaat {distribution('mandaat').version}")
        raise typer.Exit


def _only_listed() -> None:
    """A placeholder that lists a command in the help."""


def main() -> None:
    """The entry point `mandaat`."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # commands report errors themselves
    build(next((word for word in sys.argv[1:] if not word.startswith("-")), None))()
