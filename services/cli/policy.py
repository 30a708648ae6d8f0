"""`mandaat policy`: check and test a policy file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from engine.policy.editor_schema import policy_schema, schema_text
from engine.policy_tests.document import PolicyTestsDocument
from schemas.errors import Unreadable
from schemas.reading import read
from schemas.staff import NewStaffMember, StaffMember
from services.cli.exit_codes import WRONG
from services.cli.policy_files import read_bytes, read_policy
from services.cli.policy_test import run_tests
from services.cli.staff_files import load_staff

policy_app = typer.Typer(help="Check and test a policy file.", no_args_is_help=True)


@policy_app.callback()
def _policy() -> None:
    """Check and test a policy file."""


@policy_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The policy, YAML 1.2.")],
    staff: Annotated[
        Path | None, typer.Option(help="The staff, one record a line, to compare with the roles.")
    ] = None,
) -> None:
    """Report every problem of a policy, as FILE:LINE:COLUMN: text. Exit code 1 if it cannot be used.

    A warning marks something that can be used but is probably a mistake.
    """
    members = [] if staff is None else list(_members(staff))
    book, problems, _ = read_policy(file, None if staff is None else {member.role for _, member in members})
    for problem in problems:
        typer.echo(f"{file}:{problem}")
    if book is None:
        raise typer.Exit(WRONG)
    if staff is not None:
        load_staff(staff, book.tenant)
    for number, member in members:
        if member.role not in book.roles:
            text = f"{member.agent_id!r} has role `{member.role}`, which is not in the policy"
            typer.echo(f"{staff}:{number}: warning: {text}; everything they request is escalated")
    typer.echo(f"{file}: can be used: policy {book.name}, version {book.version}, digest {book.digest}")


def _members(staff: Path) -> Iterator[tuple[int, StaffMember]]:
    """The records that can be read, with their lines; `load_staff` reports the others."""
    for number, line in enumerate(read_bytes(staff).splitlines(), 1):
        with suppress(Unreadable):
            yield number, read(NewStaffMember, line)


@policy_app.command("schema")
def schema(
    tests: Annotated[bool, typer.Option("--tests", help="That of policy tests instead.")] = False,
) -> None:
    """Print the JSON Schema of policy files, with which editors complete and check them."""
    text = schema_text(PolicyTestsDocument, "Mandaat policy tests") if tests else policy_schema()
    typer.echo(text, nl=False)


policy_app.command("test")(run_tests)
