"""Files of staff (docs/staff.md): their records, and every problem with its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer

from engine.judging.staff import Staff
from engine.policy.problems import PolicyProblem, problem, warning
from schemas.errors import Unreadable
from schemas.mailbox import mailbox
from schemas.reading import read
from schemas.staff import Absence, NewStaffMember, StaffMember
from services.cli.exit_codes import WRONG
from services.cli.policy_files import read_bytes
from services.cli.record_files import FileRecord, records_of

_MISSPELT: Final = 0.75
"""From this likeness on, an unknown key is taken for a misspelt one."""


class StaffRow(NamedTuple):
    """A member of staff, and the record of the file that says so."""

    record: FileRecord
    member: StaffMember


class StaffFile(NamedTuple):
    """The records of a file that can be read, and all problems of the file in its order."""

    rows: list[StaffRow]
    problems: list[PolicyProblem]


def read_staff(file: Path) -> StaffFile:
    """Read a file of staff and check it against the schema.

    If it cannot be opened, the command ends (exit 2).
    """
    rows: list[StaffRow] = []
    problems: list[PolicyProblem] = []
    first: dict[str, int] = {}
    for record in records_of(read_bytes(file).splitlines(keepends=True)):
        try:
            member = read(NewStaffMember, record.body)
        except Unreadable as flaw:
            problems += [*record.problems(flaw), *_unknown_keys(record)]
            continue
        problems += [*_unknown_keys(record), *_no_mailbox(record, member)]
        line = first.setdefault(member.key, record.spot.line)
        if line != record.spot.line:
            place = record.place_of("/agent_id")
            problems.append(problem(place, f"{member.agent_id!r} is already on line {line}"))
        rows.append(StaffRow(record, member))
    return StaffFile(rows, sorted(problems))


def unknown_roles(rows: Collection[StaffRow], roles: Mapping[str, Collection[str]]) -> list[PolicyProblem]:
    """A problem at each role that the policy lacks. `roles`: those of each tenant whose policy is known."""
    return [
        problem(record.place_of("/role"), _unknown_role(member, roles[member.tenant]))
        for record, member in rows
        if member.tenant in roles and member.role not in roles[member.tenant]
    ]


def unknown_stand_ins(
    rows: Collection[StaffRow], published: Mapping[str, Collection[str]]
) -> list[PolicyProblem]:
    """A warning at each stand-in who is neither in the file nor among the published ids of the tenant."""
    known: dict[str, set[str]] = {tenant: set(ids) for tenant, ids in published.items()}
    for _, member in rows:
        known.setdefault(member.tenant, set()).add(member.agent_id)
    return [
        warning(
            record.place_of(f"/absences/{place}/delegate"),
            f"nobody on the staff of {member.tenant} has the id `{absence.delegate}`"
            + did_you_mean(absence.delegate, known[member.tenant]),
        )
        for record, member in rows
        for place, absence in enumerate(member.absences)
        if absence.delegate is not None and absence.delegate not in known[member.tenant]
    ]


def load_staff(file: Path, tenant: str) -> Staff:
    """The staff of a file. If a record is wrong all are reported, and the command ends (exit 1)."""
    found = read_staff(file)
    others = [
        problem(
            record.place_of("/tenant"),
            f"{member.agent_id!r} works for {member.tenant!r}, but the policy is for {tenant!r}",
        )
        for record, member in found.rows
        if member.tenant != tenant
    ]
    report(file, sorted([*found.problems, *others]))
    return Staff(member for _, member in found.rows)


def report(file: Path, problems: Collection[PolicyProblem]) -> None:
    """Print problems on standard error. If one of them is an error, the command ends (exit 1)."""
    for one in problems:
        typer.echo(f"{file}:{one}", err=True)
    if any(one.severity == "error" for one in problems):
        raise typer.Exit(WRONG)


def did_you_mean(text: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown name: the known one that is nearly the same, if there is one."""
    close = get_close_matches(text, known, 1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _unknown_role(member: StaffMember, roles: Collection[str]) -> str:
    hint = did_you_mean(member.role, roles) or f"; the roles are {', '.join(roles)}"
    return f"the active policy of {member.tenant} has no role `{member.role}`{hint}"


def _no_mailbox(record: FileRecord, member: StaffMember) -> Iterator[PolicyProblem]:
    if member.email is not None and mailbox(member.email) is None:
        text = "`email` is not a mail address, such as anna@example.org; leave it out if there is none"
        yield problem(record.place_of("/email"), text)


def _unknown_keys(record: FileRecord) -> Iterator[PolicyProblem]:
    """The keys of a record, and of its absences, that no field has."""
    try:
        found = json.loads(record.body)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, dict):
        return
    yield from _unknown(record, "", found, StaffMember)
    absences = found.get("absences")
    for place, absence in enumerate(absences if isinstance(absences, list) else ()):
        if isinstance(absence, dict):
            yield from _unknown(record, f"/absences/{place}", absence, Absence)


def _unknown(
    record: FileRecord, pointer: str, found: dict[str, Any], model: type[StaffMember] | type[Absence]
) -> Iterator[PolicyProblem]:
    """An error at a key that is like an absent field, because its value would be lost; else a warning."""
    known = [field.alias or name for name, field in model.model_fields.items()]
    for key in found.keys() - known:
        spot = record.key_place(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
        absent = [name for name in known if name not in found]
        close = get_close_matches(key.lower(), absent, 1, _MISSPELT)
        if close:
            yield problem(spot, f"unknown key `{key[:60]}`; did you mean `{close[0]}`?")
        else:
            text = f"unknown key `{key[:60]}` is not kept; known keys: {', '.join(known)}"
            yield warning(spot, text)
