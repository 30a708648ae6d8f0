"""Files that commands are given: what can be read of them, and what ends the command."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import typer

from engine.policy import PolicyProblem
from engine.policy.checking import CheckedPolicy, check_policy
from services.cli.exits import CALLED_WRONGLY


def read_policy(file: Path, held: Collection[str] | None = None) -> CheckedPolicy:
    """Read a policy file; what cannot even be opened ends the command (exit 2).

    `held`: the roles that the staff have, where they are known; the policy is held against them too.
    """
    text = read_bytes(file)
    try:
        return check_policy(text.decode(), held)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = len(text[text.rfind(b"\n", 0, error.start) + 1 : error.start].decode(errors="replace")) + 1
        what = f"not UTF-8: byte {text[error.start]:#04x}; save the file as UTF-8"
        return CheckedPolicy(None, (PolicyProblem(line, column, what),))


def read_bytes(file: Path) -> bytes:
    """The content of a file; what cannot be opened ends the command (exit 2)."""
    try:
        return file.read_bytes()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror or error}", err=True)
        raise typer.Exit(CALLED_WRONGLY) from error


def of_line(detail: str) -> str:
    """What is wrong with a line of a file, in the words for the body of a request that the readers use."""
    return detail.replace("The body is not JSON at line 1, ", "The line is not JSON at ").replace(
        "The body ", "The line "
    )
