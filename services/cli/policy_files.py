"""Read the files that a command is given, or end the command."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import typer

from engine.policy import PolicyBook, PolicyProblem
from engine.policy.checking import CheckedPolicy, check_policy
from services.cli.exit_codes import CALLED_WRONGLY, WRONG


def read_policy(file: Path, staff_roles: Collection[str] | None = None) -> CheckedPolicy:
    """Read and check a policy file. If it cannot be opened, the command ends (exit 2).

    `staff_roles`: the roles of the staff, if known; the policy is compared with them too.
    """
    text = read_bytes(file)
    try:
        return check_policy(text.decode(), staff_roles)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = len(text[text.rfind(b"\n", 0, error.start) + 1 : error.start].decode(errors="replace")) + 1
        what = f"not UTF-8: byte {text[error.start]:#04x}; save the file as UTF-8"
        return CheckedPolicy(None, (PolicyProblem(line, column, what),))


def load_book(file: Path) -> PolicyBook:
    """The policy of a file. If it has errors they are reported, and the command ends (exit 1)."""
    book, problems, _ = read_policy(file)
    if book is None:
        for problem in problems:
            typer.echo(f"{file}:{problem}", err=True)
        raise typer.Exit(WRONG)
    return book


def read_bytes(file: Path) -> bytes:
    """The content of a file. If it cannot be opened, the command ends (exit 2)."""
    try:
        return file.read_bytes()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror or error}", err=True)
        raise typer.Exit(CALLED_WRONGLY) from error
