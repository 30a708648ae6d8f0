"""`mandaat policy`: look at a policy file before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.exits import WRONG
from services.cli.policy_files import read_policy
from services.cli.policy_test import run_tests
from services.rules.core.policy.editor_schema import policy_schema

policy_app = typer.Typer(help="Look at a policy file before it is used.", no_args_is_help=True)


@policy_app.callback()
def _policy() -> None:
    """Look at a policy file before it is used."""


@policy_app.command("check")
def check(file: Annotated[Path, typer.Argument(help="The policy, YAML 1.2.")]) -> None:
    """Say all that is wrong with a policy, as FILE:LINE:COLUMN: text. Exits 1 where it cannot be used."""
    book, problems = read_policy(file)
    for problem in problems:
        typer.echo(f"{file}:{problem}")
    if book is None:
        raise typer.Exit(WRONG)
    typer.echo(f"{file}: can be used: policy {book.name}, version {book.version}, digest {book.digest}")


@policy_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of policy files, by which editors complete them."""
    typer.echo(policy_schema(), nl=False)


policy_app.command("test")(run_tests)
