"""`mandaat policy`: look at a policy file before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.exits import CALLED_WRONGLY, WRONG
from services.rules.core.policy import CheckedPolicy, Problem, check_policy
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


def read_policy(file: Path) -> CheckedPolicy:
    """Read a policy file; what cannot even be opened ends the command (exit 2)."""
    text = read_bytes(file)
    try:
        return check_policy(text.decode())
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = len(text[text.rfind(b"\n", 0, error.start) + 1 : error.start].decode(errors="replace")) + 1
        what = f"not UTF-8: byte {text[error.start]:#04x}; save the file as UTF-8"
        return CheckedPolicy(None, (Problem(line, column, what),))


def read_bytes(file: Path) -> bytes:
    """The content of a file; what cannot be opened ends the command (exit 2)."""
    try:
        return file.read_bytes()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror or error}", err=True)
        raise typer.Exit(CALLED_WRONGLY) from error
