"""`mandaat keys add | list | revoke`: the file with the keys of callers (docs/keys.md)."""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from deploy.local.access import keys_file
from deploy.local.settings import state_dir
from schemas.moment import utc_text
from schemas.reading import unreadable
from services.chassis.http.keys import Scope, digest_of
from services.chassis.http.keys_file import KeyLine, expiry_of, is_comment, read_keys, read_line
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.replacing import locked, replace

keys_app = typer.Typer(no_args_is_help=True, help="The keys of callers: add, list, revoke.")

SHORTEST_ID: Final = 8
_SCOPE: Final[TypeAdapter[Scope]] = TypeAdapter(Scope)

KeysFile = Annotated[
    Path | None,
    typer.Option("--file", help="The file with the keys. Default: MANDAAT_KEYS_FILE, or the local stack's."),
]


@keys_app.command("add")
def add(
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant that the key belongs to.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="submit, reply, read or backfill; may be repeated.")
    ],
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", help="An agent for whom the key may send requests; may be repeated."),
    ] = None,
    facts: Annotated[
        bool, typer.Option("--facts/--no-facts", help="With --no-facts, the caller's facts count as claims.")
    ] = True,
    expires: Annotated[
        str | None, typer.Option(help="The last day (2026-12-31, in UTC), or a time with its zone.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unknown keys in a body.")] = False,
    file: KeysFile = None,
) -> None:
    """Make a key, and print it. It is shown only this once: the file holds its digest.

    The services accept it some seconds later. Creates the file if there is none.
    """
    secret = f"mandaat_{secrets.token_urlsafe(32)}"
    line = _line(digest_of(secret), tenant, scope, agent, facts, expires, strict)
    path = _file_of(file)
    with locked(path):
        text = _text_of(path, or_empty=True)
        _checked(path, text)
        joined = text if text.endswith("\n") or not text else text + "\n"
        replace(path, joined + line.model_dump_json(exclude_defaults=True) + "\n")
    typer.echo(secret)
    sys.stderr.write(f"mandaat: added key {line.id} of {tenant} to {path}\n")


@keys_app.command("list")
def list_keys(file: KeysFile = None) -> None:
    """List the keys: their ids, tenants, scopes and limits. Nobody can learn a key from this."""
    path = _file_of(file)
    now = datetime.now(UTC)
    table = Table("id", "tenant", "scopes", "agents", "facts", "strict", "expires")
    for one in _checked(path, _text_of(path)).values():
        expires = utc_text(one.expires) if one.expires else "never"
        if one.expires and one.expires <= now:
            expires += " (expired)"
        table.add_row(
            one.id,
            one.tenant,
            " ".join(one.scopes),
            "any" if one.agents is None else " ".join(one.agents),
            "yes" if one.facts else "as claims",
            "yes" if one.strict else "no",
            expires,
        )
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the key, as `keys list` shows it.")],
    file: KeysFile = None,
) -> None:
    """Remove a key. The services refuse it some seconds later. Other lines stay as they are."""
    path = _file_of(file)
    named = key_id.lower()
    with locked(path):
        text = _text_of(path)
        found = [digest for digest in _checked(path, text) if digest.startswith(named)]
        if len(named) < SHORTEST_ID or len(found) > 1:
            _stop(CALLED_WRONGLY, f"{key_id!r} is too short for an id; take it from `mandaat keys list`")
        if not found:
            _stop(WRONG, f"no key in {path} has the id {key_id!r}")
        lines = text.splitlines(keepends=True)
        kept = [line for line in lines if is_comment(line) or read_line(line).digest != found[0]]
        replace(path, "".join(kept))
    typer.echo(f"revoked key {found[0][: len(named)]}")
    if all(map(is_comment, kept)):
        sys.stderr.write(f"mandaat: warning: {path} holds no key now, so every call gets 401\n")


def _line(
    digest: str,
    tenant: str,
    scopes: list[str],
    agents: list[str] | None,
    facts: bool,
    expires: str | None,
    strict: bool,
) -> KeyLine:
    if agents and "reply" in scopes:
        _stop(CALLED_WRONGLY, "a key with --agent cannot answer approvals; leave out --scope reply")
    try:
        line = KeyLine(
            sha256=digest,
            tenant=tenant,
            scopes=tuple(_SCOPE.validate_python(one) for one in dict.fromkeys(scopes)),
            agents=tuple(agents) if agents else None,
            facts=facts,
            expires=None if expires is None else expiry_of(expires),
            strict=strict,
        )
    except ValidationError as error:
        flaw = unreadable(error).flaws[0]
        place = flaw.pointer.split("/")[1] if flaw.pointer else "scope"
        option = {"agents": "agent", "scopes": "scope"}.get(place, place)
        _stop(CALLED_WRONGLY, f"--{option}: {flaw.text}")
    except ValueError as error:
        _stop(CALLED_WRONGLY, f"--expires: {error}")
    if line.expires is not None and line.expires <= datetime.now(UTC):
        _stop(CALLED_WRONGLY, f"--expires: {expires} is in the past")
    return line


def _file_of(given: Path | None) -> Path:
    if given is not None:
        return given
    if named := os.environ.get("MANDAAT_KEYS_FILE"):
        return Path(named)
    local = keys_file(state_dir())
    if not local.exists():
        _stop(CALLED_WRONGLY, "name the file of keys with --file or MANDAAT_KEYS_FILE")
    return local


def _text_of(path: Path, *, or_empty: bool = False) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        if or_empty:
            return ""
        _stop(CALLED_WRONGLY, f"{path} does not exist")
    except (OSError, UnicodeDecodeError) as error:
        _stop(CALLED_WRONGLY, f"{path} cannot be read: {error}")


def _checked(path: Path, text: str) -> dict[str, KeyLine]:
    """The keys in a text. With a mistake the services would not take over the file, so it stays as it is."""
    try:
        return read_keys(text)
    except ValueError as problem:
        _stop(WRONG, f"{path}, {problem}; correct the file first")


def _stop(code: int, text: str) -> NoReturn:
    sys.stderr.write(f"mandaat: {text}\n")
    raise typer.Exit(code)
