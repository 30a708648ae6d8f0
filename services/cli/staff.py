"""`mandaat staff list | remove`: the staff that is published (docs/staff.md)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from schemas.staff import Absence, StaffMember
from schemas.topics import STAFF
from services.chassis.kafka.producer import Outgoing
from services.cli.exit_codes import WRONG
from services.cli.kafka import Bootstrap, bootstrap_of, run
from services.cli.published import read_published_staff
from services.cli.publishing import send_rounds
from services.cli.staff_files import did_you_mean

staff_app = typer.Typer(no_args_is_help=True, help="The published staff: list, remove.")

Tenant = Annotated[str, typer.Option("--tenant", help="The tenant.")]


@staff_app.command("list")
def list_staff(
    tenant: Tenant,
    as_json: Annotated[bool, typer.Option("--json", help="The records, one JSON object a line.")] = False,
    kafka: Bootstrap = None,
) -> None:
    """List the staff of a tenant, with their absences. A file of these lines can be published again."""
    members = _staff_of(tenant, bootstrap_of(kafka))
    if as_json:
        for member in members.values():
            typer.echo(member.model_dump_json(by_alias=True, exclude_none=True))
        return
    table = Table("id", "name", "role", "team", "email", "language", "absences")
    for one in members.values():
        absences = "\n".join(map(_absence, one.absences))
        table.add_row(
            one.agent_id, one.name, one.role, one.team, one.email or "", one.language or "", absences
        )
    Console(markup=False, highlight=False).print(table)


@staff_app.command("remove")
def remove_staff(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the people.")],
    tenant: Tenant,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; publish nothing.")] = False,
    kafka: Bootstrap = None,
) -> None:
    """Remove people from the staff of a tenant. There is no question before it starts.

    From then on what they request is escalated, and they cannot answer approvals. Exit code 1 if somebody is
    not on the staff; then nobody is removed.
    """
    bootstrap = bootstrap_of(kafka)
    members = _staff_of(tenant, bootstrap)
    unknown = [name for name in ids if name not in members]
    for name in unknown:
        hint = did_you_mean(name, members)
        sys.stderr.write(f"mandaat: nobody on the staff of {tenant} has the id {name!r}{hint}\n")
    if unknown:
        raise typer.Exit(WRONG)
    leaving = [members[name] for name in dict.fromkeys(ids)]
    if not dry_run:
        rounds = [[Outgoing(STAFF, key=one.key.encode(), value=None) for one in leaving]]
        run(send_rounds(bootstrap, rounds))
    for one in leaving:
        more: dict[str, Any] = {"why": "dry run"} if dry_run else {}
        said = {"tenant": tenant, "agent_id": one.agent_id, "name": one.name, "removed": not dry_run, **more}
        typer.echo(json.dumps(said, ensure_ascii=False))
    for line in _stand_ins(members, {one.agent_id for one in leaving}):
        sys.stderr.write(f"mandaat: warning: {line}\n")


def _stand_ins(members: Mapping[str, StaffMember], leaving: set[str]) -> list[str]:
    """A sentence for each absence of others in which somebody who leaves stands in."""
    return [
        f"{member.agent_id!r} names {absence.delegate!r} as stand-in ({_absence(absence)})"
        for member in members.values()
        for absence in member.absences
        if absence.delegate in leaving and member.agent_id not in leaving
    ]


def _staff_of(tenant: str, bootstrap: str) -> dict[str, StaffMember]:
    """The staff of a tenant by id. Exits with 1 if it has none."""
    everybody = run(read_published_staff(bootstrap))
    return everybody.get(tenant) or _no_staff(tenant, everybody)


def _no_staff(tenant: str, others: Mapping[str, object]) -> NoReturn:
    sys.stderr.write(f"mandaat: {tenant} has no staff{did_you_mean(tenant, others)}\n")
    raise typer.Exit(WRONG)


def _absence(absence: Absence) -> str:
    stand_in = "" if absence.delegate is None else f", stand-in {absence.delegate}"
    start, end = (one.isoformat(" ", "minutes") for one in (absence.from_, absence.until))
    return f"{start} to {end}{stand_in}"
