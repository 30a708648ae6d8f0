"""`mandaat`: every command, loaded only when it is called, so that the others stay quick."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Final, NamedTuple

import typer


class _Command(NamedTuple):
    """Where a command lives (a typer application, or a function) and what help says of it."""

    module: str
    name: str
    help: str


COMMANDS: Final = {
    "demo": _Command("services.cli.demo", "demo", "Run 1,166 real cases all the way round on this machine."),
    "local": _Command(
        "services.cli.local", "local_app", "The whole stack on this machine: up, down, status."
    ),
    "serve": _Command("services.cli.serve", "serve", "Run one service: intake, rules or notifier."),
    "topics": _Command("services.cli.topics", "topics", "Create or check all topics with their settings."),
    "publish": _Command("services.cli.publish", "publish_app", "Activate a policy, hire or change staff."),
    "policy": _Command("services.cli.policy", "policy_app", "Look at a policy file before it is used."),
    "decide": _Command("services.cli.decide", "decide", "Decide cases offline with the same engine."),
    "explain": _Command(
        "services.cli.explain", "explain_case", "Say, mandate by mandate, why a case is decided as it is."
    ),
    "ledger": _Command("services.cli.ledger", "ledger_app", "Whether Redis holds what the journal says."),
    "dead-letters": _Command(
        "services.cli.dead_letters", "dead_letters_app", "What could not be handled: list, show, redrive."
    ),
}


def build(called: str | None) -> typer.Typer:
    """The application, with the real command only for the one that is called."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

    @app.callback()
    def _root() -> None:
        """Decision authority for contact-centre staff.

        Exits 0, 1 (what it looked at is wrong) or 2 (called wrongly).
        """

    for name, entry in COMMANDS.items():
        if name != called:
            app.command(name, help=entry.help)(_only_listed)
            continue
        command = getattr(import_module(entry.module), entry.name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=entry.help)
        else:
            app.command(name, help=entry.help)(command)
    return app


def _only_listed() -> None:
    """Stands for a command in the list of all."""


def main() -> None:
    """The entry point `mandaat`."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # commands say themselves what went wrong
    build(next((word for word in sys.argv[1:] if not word.startswith("-")), None))()
