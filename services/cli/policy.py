"""`mandaat policy`: check and test a policy file; show and roll back published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.policy.editor_schema import policy_schema, schema_text
from engine.policy.problems import warning
from engine.policy_tests.document import PolicyTestsDocument
from services.cli.exit_codes import WRONG
from services.cli.policy_files import read_policy
from services.cli.policy_history import history, rollback, show
from services.cli.policy_test import run_tests
from services.cli.staff_files import did_you_mean, load_staff, read_staff

policy_app = typer.Typer(
    help="Check or test a policy file; show or roll back published ones.", no_args_is_help=True
)


@policy_app.callback()
def _policy() -> None:
    """Check or test a policy file; show or roll back published ones."""


@policy_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The policy, YAML 1.2.")],
    staff: Annotated[
        Path | None, typer.Option(help="The staff (docs/staff.md), to compare with the roles.")
    ] = None,
) -> None:
    """Report every problem of a policy, as FILE:LINE:COLUMN: text. Exit code 1 if it cannot be used.

    A warning marks something that can be used but is probably a mistake.
    """
    rows = [] if staff is None else read_staff(staff).rows
    book, problems, _ = read_policy(file, None if staff is None else {member.role for _, member in rows})
    for problem in problems:
        typer.echo(f"{file}:{problem}")
    if book is None:
        raise typer.Exit(WRONG)
    if staff is not None:
        load_staff(staff, book.tenant)
    for record, member in rows:
        if member.role not in book.roles:
            text = f"{member.agent_id!r} has role `{member.role}`, which is not in the policy"
            text += f"{did_you_mean(member.role, book.roles)}; everything they request is escalated"
            typer.echo(f"{staff}:{warning(record.place_of('/role'), text)}")
    typer.echo(f"{file}: can be used: policy {book.name}, version {book.version}, digest {book.digest}")


@policy_app.command("schema")
def schema(
    tests: Annotated[bool, typer.Option("--tests", help="That of policy tests instead.")] = False,
) -> None:
    """Print the JSON Schema of policy files, with which editors complete and check them."""
    text = schema_text(PolicyTestsDocument, "Mandaat policy tests") if tests else policy_schema()
    typer.echo(text, nl=False)


policy_app.command("test")(run_tests)
policy_app.command("show")(show)
policy_app.command("history")(history)
policy_app.command("rollback")(rollback)
