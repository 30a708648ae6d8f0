"""Files of staff: one record a line."""

from __future__ import annotations

from pathlib import Path

import typer

from engine.judging.staff import Staff
from schemas.errors import Unreadable
from schemas.reading import read
from schemas.staff import NewStaffMember, StaffMember
from services.cli.exit_codes import WRONG
from services.cli.policy_files import read_bytes


class _CannotBeHiredError(Exception):
    """The reason why a record does not belong in this file."""


def load_staff(file: Path, tenant: str) -> Staff:
    """The staff of a file. If a line is wrong all are reported, and the command ends (exit 1)."""
    staff, wrong = Staff(), 0
    for number, line in enumerate(read_bytes(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            staff.put(_member(line, tenant, staff))
        except (Unreadable, _CannotBeHiredError) as flaw:
            text = about_a_line(flaw.detail) if isinstance(flaw, Unreadable) else str(flaw)
            typer.echo(f"{file}:{number}: {text}", err=True)
            wrong += 1
    if wrong:
        raise typer.Exit(WRONG)
    return staff


def _member(line: bytes, tenant: str, staff: Staff) -> StaffMember:
    member = read(NewStaffMember, line)
    if member.tenant != tenant:
        raise _CannotBeHiredError(
            f"{member.agent_id!r} works for {member.tenant!r}, but the policy is for {tenant!r}"
        )
    if staff.get(member.agent_id) is not None:
        raise _CannotBeHiredError(f"{member.agent_id!r} is in this file twice")
    return member


def about_a_line(detail: str) -> str:
    """The problem of a line of a file, from a problem that speaks of a request body."""
    return detail.replace("The body is not JSON at line 1, ", "The line is not JSON at ").replace(
        "The body ", "The line "
    )
