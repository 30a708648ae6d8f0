"""`mandaat publish policy FILE` and `mandaat publish staff FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from schemas.errors import Unreadable
from schemas.policy_record import PolicyRecord
from schemas.reading import read
from schemas.topics import POLICIES, POLICY_LIMIT_BYTES, STAFF
from services.cli.exit_codes import WRONG
from services.cli.kafka import Bootstrap, bootstrap_of, read_to_the_end, run
from services.cli.policy_files import read_bytes, read_policy
from services.cli.published import TenantPolicies, read_policies, read_published_staff
from services.cli.publishing import activation, json_of, row, send_rounds
from services.cli.staff_files import (
    StaffFile,
    did_you_mean,
    read_staff,
    report,
    unknown_roles,
    unknown_stand_ins,
)

BATCH: Final = 2_000
ROOM_BYTES: Final = 4096
"""Room for key, headers and the record batch."""

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
    if (size := len(json_of(record))) > POLICY_LIMIT_BYTES - ROOM_BYTES:
        sys.stderr.write(f"{file}: the policy is too large for a record ({size} bytes)\n")
        raise typer.Exit(WRONG)
    others = run(_activate(bootstrap_of(kafka), record))
    for digest in others:
        sys.stderr.write(
            f"{file}: warning: version {book.version!r} of {book.tenant} was already published "
            f"with other content (digest {digest[:12]}); give each content its own version\n"
        )
    _say({"tenant": book.tenant, "version": book.version, "digest": book.digest})


@publish_app.command("staff")
def publish_staff(file: File, kafka: Bootstrap = None) -> None:
    """Publish staff records (docs/staff.md): JSON, one on each line, pretty-printed, or one array.

    All are checked first, against the schema and the active policy of their tenant. A wrong one stops it: it
    publishes nothing, reports every problem as FILE:LINE:COLUMN: text, and exits with 1.
    """
    found = read_staff(file)
    report(file, found.problems)
    bootstrap = bootstrap_of(kafka)
    _check_roles(file, found, run(read_policies(bootstrap)))
    if any(member.absences for _, member in found.rows):
        report(file, unknown_stand_ins(found.rows, run(read_published_staff(bootstrap))))
    members = [member for _, member in found.rows]
    records = [row(STAFF, one.key, one) for one in members]
    rounds = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    run(send_rounds(bootstrap, rounds, label="staff"))
    _say({"published": len(records), "tenants": sorted({one.tenant for one in members})})


def _check_roles(file: Path, found: StaffFile, policies: Mapping[str, TenantPolicies]) -> None:
    """Compare the roles with the active policies. Exits with 1 if one is unknown."""
    roles: dict[str, Collection[str]] = {}
    for tenant in sorted({member.tenant for _, member in found.rows}):
        active = policies.get(tenant, TenantPolicies()).active
        book = active.book() if active is not None else None
        if book is not None:
            roles[tenant] = book.roles
            continue
        why = f"no policy of {tenant} is active{did_you_mean(tenant, policies)}"
        if active is not None:
            why = f"the active policy of {tenant} cannot be used"
        sys.stderr.write(f"{file}: {why}; roles are not checked\n")
    report(file, unknown_roles(found.rows, roles))


async def _activate(bootstrap: str, record: PolicyRecord) -> list[str]:
    """Publish, and return the digests of other content under the same version."""
    others = await _others_of_the_version(bootstrap, record.name, record)
    await send_rounds(bootstrap, activation(record))
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


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
