"""`mandaat policy show | history | rollback`: the versions that were published (docs/policy.md, Versions)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from difflib import unified_diff
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from services.cli.exit_codes import WRONG
from services.cli.kafka import Bootstrap, bootstrap_of, run
from services.cli.published import PublishedPolicy, TenantPolicies, read_policies, read_published_staff
from services.cli.publishing import activation, send_rounds
from services.cli.staff_files import did_you_mean

_FEWEST_OF_DIGEST: Final = 6
"""The fewest characters by which a digest is found."""

Tenant = Annotated[str, typer.Option("--tenant", help="The tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


def show(
    tenant: Tenant,
    version: Annotated[
        str | None, typer.Argument(help="A version, or the beginning of a digest; by default the active one.")
    ] = None,
    as_json: AsJson = False,
    kafka: Bootstrap = None,
) -> None:
    """Show the active policy of a tenant, or a former version, as its author wrote it.

    Comments above it give its version, its digest and when it was published, so the output is a policy file.
    """
    found = _policies_of(tenant, bootstrap_of(kafka))
    one = _active(tenant, found) if version is None else _version(tenant, found, version)
    if as_json:
        typer.echo(json.dumps(_summary(found, one) | {"yaml": one.record.yaml}, ensure_ascii=False))
        return
    state = "active" if found.is_active(one) else "not active"
    typer.echo(f"# {tenant}, version {one.record.version}, {state}, published {_moment(one.at)}")
    typer.echo(f"# digest {one.record.digest}")
    typer.echo(one.record.yaml, nl=not one.record.yaml.endswith("\n"))


def history(tenant: Tenant, as_json: AsJson = False, kafka: Bootstrap = None) -> None:
    """List every version of a tenant's policy that was published, the newest first.

    The time of a version is that of its last publication; Kafka does not keep the earlier ones.
    """
    found = _policies_of(tenant, bootstrap_of(kafka))
    newest_first = found.versions[::-1]
    if as_json:
        for one in newest_first:
            typer.echo(json.dumps(_summary(found, one), ensure_ascii=False))
        return
    table = Table("version", "digest", "last published", "")
    for one in newest_first:
        active = "active" if found.is_active(one) else ""
        table.add_row(one.record.version, one.short, _moment(one.at), active)
    Console(markup=False, highlight=False).print(table)


def rollback(
    version: Annotated[str, typer.Argument(help="A version, or the beginning of a digest, from `history`.")],
    tenant: Tenant,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; publish nothing.")] = False,
    kafka: Bootstrap = None,
) -> None:
    """Make a former version the active policy again, and show what changes. There is no question first.

    Exit code 1 if there is no such version, if it is active already, or if this Mandaat cannot use it.
    Counters of budgets that both versions have go on; decisions that were made stay as they are.
    """
    bootstrap = bootstrap_of(kafka)
    found = _policies_of(tenant, bootstrap)
    one = _version(tenant, found, version)
    if found.is_active(one):
        _end(f"version {one.record.version} of {tenant} ({one.short}) is active already; nothing to do")
    book = one.book()
    if book is None:
        _end(
            f"this Mandaat cannot use version {one.record.version} of {tenant}; to see why: "
            f"`mandaat policy show {one.short} --tenant {tenant} > old.yaml; mandaat policy check old.yaml`"
        )
    for line in _difference(found.active, one):
        typer.echo(line)
    staff = run(read_published_staff(bootstrap)).get(tenant, {})
    people = Counter(member.role for member in staff.values() if member.role not in book.roles)
    for role, count in sorted(people.items()):
        text = f"this version has no role `{role}`; requests of people with it will be escalated: {count}"
        sys.stderr.write(f"mandaat: warning: {text}\n")
    if not dry_run:
        run(send_rounds(bootstrap, activation(one.record)))
    more: dict[str, Any] = {"why": "dry run"} if dry_run else {}
    said = {"tenant": tenant, "version": one.record.version, "digest": one.record.digest}
    typer.echo(json.dumps(said | {"activated": not dry_run} | more, ensure_ascii=False))


def _policies_of(tenant: str, bootstrap: str) -> TenantPolicies:
    """The policies of a tenant. Exits with 1 if it has none."""
    everybody = run(read_policies(bootstrap))
    return everybody.get(tenant) or _end(
        f"no policy of {tenant} was ever published{did_you_mean(tenant, everybody)}"
    )


def _active(tenant: str, found: TenantPolicies) -> PublishedPolicy:
    return found.active or _end(
        f"{tenant} has no active policy, only former versions: `mandaat policy history --tenant {tenant}`"
    )


def _version(tenant: str, found: TenantPolicies, wanted: str) -> PublishedPolicy:
    """The one version of that name, or whose digest begins so. Exits with 1 if there is not exactly one."""
    chosen = [one for one in found.versions if one.record.version == wanted]
    if not chosen and len(wanted) >= _FEWEST_OF_DIGEST:
        chosen = [one for one in found.versions if one.record.digest.startswith(wanted)]
    if len(chosen) > 1:
        digests = ", ".join(one.short for one in chosen)
        _end(f"{tenant} has {len(chosen)} versions {wanted}: name one by its digest: {digests}")
    if not chosen:
        versions = list(dict.fromkeys(one.record.version for one in found.versions))
        hint = did_you_mean(wanted, versions) or f"; there are {', '.join(versions)}"
        _end(f"{tenant} has no version {wanted}{hint}")
    return chosen[0]


def _difference(active: PublishedPolicy | None, other: PublishedPolicy) -> Iterator[str]:
    """The lines that change, as `diff -u` shows them."""
    before = "" if active is None else active.record.yaml
    named = "nothing" if active is None else f"version {active.record.version} ({active.short}), active now"
    yield from unified_diff(
        before.splitlines(),
        other.record.yaml.splitlines(),
        named,
        f"version {other.record.version} ({other.short})",
        lineterm="",
    )


def _summary(found: TenantPolicies, one: PublishedPolicy) -> dict[str, Any]:
    return {
        "tenant": one.record.name,
        "version": one.record.version,
        "digest": one.record.digest,
        "published_at": _moment(one.at),
        "active": found.is_active(one),
    }


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _end(text: str) -> NoReturn:
    sys.stderr.write(f"mandaat: {text}\n")
    raise typer.Exit(WRONG)
