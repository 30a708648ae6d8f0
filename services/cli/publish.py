"""`mandaat publish policy FILE` and `mandaat publish staff FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import track

from schemas.errors import Unreadable
from schemas.policy_record import PolicyRecord
from schemas.reading import read
from schemas.staff import NewStaffMember, StaffMember
from schemas.topics import POLICIES, POLICY_LIMIT_BYTES, STAFF
from services.chassis.kafka.producer import Outgoing, Producer
from services.cli.exit_codes import WRONG
from services.cli.kafka import Bootstrap, bootstrap_of, read_to_the_end, run
from services.cli.policy_files import read_bytes, read_policy
from services.cli.staff_files import about_a_line

BATCH: Final = 2_000
ROOM_BYTES: Final = 4096
"""Room for key, headers and the record batch."""
_JSON: Final = (("content-type", b"application/json"),)

publish_app = typer.Typer(no_args_is_help=True, help="Activate a policy, or publish staff.")

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]


@publish_app.command("policy")
def publish_policy(file: File, kafka: Bootstrap = None) -> None:
    """Check a policy and make it the active one of its tenant. Exit code 1, with all errors, if it has any.

    A warning says if other content was published under the same version.
    """
    book, problems, canonical = read_policy(file)
    for problem in problems:
        sys.stderr.write(f"{file}:{problem}\n")
    text = read_bytes(file).decode(errors="replace")
    if book is None:
        raise typer.Exit(WRONG)
    record = PolicyRecord(
        name=book.name, version=book.version, digest=book.digest, yaml=text, canonical_json=canonical
    )
    if len(_json(record)) > POLICY_LIMIT_BYTES - ROOM_BYTES:
        sys.stderr.write(f"{file}: {len(_json(record))} bytes are more than a record can hold\n")
        raise typer.Exit(WRONG)
    versions = [f"{book.tenant}/{book.digest}", book.tenant]
    rounds = [[Outgoing(POLICIES, key=key.encode(), value=_json(record), headers=_JSON)] for key in versions]
    others = run(_activate(bootstrap_of(kafka), book.tenant, record, rounds))
    for digest in others:
        sys.stderr.write(
            f"{file}: warning: version {book.version!r} of {book.tenant} was already published "
            f"with other content (digest {digest[:12]}); give each content its own version\n"
        )
    _say({"tenant": book.tenant, "version": book.version, "digest": book.digest})


@publish_app.command("staff")
def publish_staff(file: File, kafka: Bootstrap = None) -> None:
    """Publish staff records, one JSON object a line. A wrong line stops it (exit code 1)."""
    members = _members(file)
    records = [Outgoing(STAFF, key=one.key.encode(), value=_json(one), headers=_JSON) for one in members]
    rounds = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    run(_publish(bootstrap_of(kafka), rounds, label="staff"))
    _say({"published": len(records), "tenants": sorted({one.tenant for one in members})})


def _members(file: Path) -> list[StaffMember]:
    """The staff in a file. Exits with 1 after reporting every wrong line."""
    members: list[StaffMember] = []
    seen: dict[tuple[str, str], int] = {}
    wrong = False
    for number, line in _lines(file):
        try:
            member = read(NewStaffMember, line)
        except Unreadable as flaw:
            wrong = _complain(file, number, about_a_line(flaw.detail))
            continue
        first = seen.setdefault((member.tenant, member.agent_id), number)
        if first != number:
            wrong = _complain(file, number, f"{member.agent_id!r} is already on line {first}")
        members.append(member)
    if wrong:
        raise typer.Exit(WRONG)
    return members


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if line.strip():
                yield number, line


def _complain(file: Path, number: int, text: str) -> bool:
    sys.stderr.write(f"{file}: line {number}: {text}\n")
    return True


async def _activate(
    bootstrap: str, tenant: str, record: PolicyRecord, rounds: Sequence[Sequence[Outgoing]]
) -> list[str]:
    """Publish, and return the digests of other content under the same version."""
    others = await _others_of_the_version(bootstrap, tenant, record)
    await _publish(bootstrap, rounds, label="")
    return others


async def _others_of_the_version(bootstrap: str, tenant: str, record: PolicyRecord) -> list[str]:
    found: dict[str, None] = {}
    async for kept in read_to_the_end(bootstrap, POLICIES):
        if (kept.key or b"").decode(errors="replace").partition("/")[0] != tenant or kept.value is None:
            continue
        try:
            published = read(PolicyRecord, kept.value)
        except Unreadable:
            continue  # rules does not use it either
        if published.version == record.version and published.digest != record.digest:
            found[published.digest] = None
    return list(found)


async def _publish(bootstrap: str, rounds: Sequence[Sequence[Outgoing]], *, label: str) -> None:
    """Send round after round, each after the former is acknowledged; with a bar on a terminal."""
    producer = Producer(bootstrap, client_id="mandaat-publish", max_request_size=POLICY_LIMIT_BYTES)
    console = Console(stderr=True)
    quiet = not (label and console.is_terminal and len(rounds) > 1)
    try:
        for records in track(rounds, description=label, console=console, transient=True, disable=quiet):
            await producer.send_all(records)
    finally:
        await producer.stop()


def _json(model: PolicyRecord | StaffMember) -> bytes:
    return model.model_dump_json(by_alias=True).encode()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
