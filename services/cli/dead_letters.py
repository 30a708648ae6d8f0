"""`mandaat dead-letters list | show | redrive`: records that could not be handled, and another try."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

import typer

from schemas.errors import REASONS
from schemas.topics import DEAD_LETTER_LIMIT_BYTES, DEAD_LETTERS
from services.chassis.kafka.producer import Producer
from services.chassis.process.errors import SendFailed
from services.cli.exit_codes import CALLED_WRONGLY, WRONG
from services.cli.kafka import Bootstrap, bootstrap_of, read_to_the_end, run
from services.cli.kept_dead_letters import KeptDeadLetter, newest_of_each, read_dead_letter

BATCH: Final = 500

dead_letters_app = typer.Typer(
    no_args_is_help=True, help="Records that could not be handled: list, show, redrive."
)

Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only of this reason; may be repeated.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only from this topic.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", help="Only those whose key, value or headers name this tenant.")
]
Key = Annotated[str | None, typer.Option("--key", help="Only this key: <tenant>/<case_id>.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="<partition>:<offset>, as `list` shows.")
]


class Filter(NamedTuple):
    """A choice of dead letters; None chooses all."""

    reasons: tuple[str, ...] = ()
    topic: str | None = None
    tenant: str | None = None
    key: str | None = None

    def chooses(self, letter: KeptDeadLetter) -> bool:
        """Whether it chooses this dead letter."""
        return self._but_for_tenant(letter) and (self.tenant is None or self.tenant in letter.tenants)

    def cannot_tell(self, letter: KeptDeadLetter) -> bool:
        """Whether it would choose this dead letter without its tenant, and the dead letter names none."""
        return self.tenant is not None and self._but_for_tenant(letter) and not letter.tenants

    def _but_for_tenant(self, letter: KeptDeadLetter) -> bool:
        key = (letter.key or b"").decode(errors="replace")
        return (
            (not self.reasons or letter.reason in self.reasons)
            and self.topic in (None, letter.topic)
            and self.key in (None, key)
        )


@dead_letters_app.command("list")
def list_letters(
    reason: Reasons = None,
    topic: Topic = None,
    tenant: Tenant = None,
    key: Key = None,
    kafka: Bootstrap = None,
) -> None:
    """List dead letters, one JSON object a line: id, time, reason, detail, service, source, key, size."""
    chosen = _filter(reason, topic, tenant, key)
    run(_list(bootstrap_of(kafka), chosen))


@dead_letters_app.command("show")
def show_letters(ids: Ids = None, kafka: Bootstrap = None) -> None:
    """Show dead letters with value and headers, which may hold personal data."""
    wanted = _wanted(ids)
    found = {letter.id: letter for letter in run(_read(bootstrap_of(kafka))) if letter.id in wanted}
    for name in wanted:
        if name in found:
            _say(found[name].whole())
    _exit_if_absent(wanted, found)


@dead_letters_app.command("redrive")
def redrive_letters(
    ids: Ids = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every dead letter that the filters choose.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; publish nothing.")] = False,
    reason: Reasons = None,
    topic: Topic = None,
    tenant: Tenant = None,
    key: Key = None,
    kafka: Bootstrap = None,
) -> None:
    """Publish dead letters again, with bytes, key and headers, to the same topic and partition.

    There is no question before it starts. The dead letters stay in their topic. It is safe to redrive one
    twice: a known request gets its stored decision. If several have the same content, only the newest is
    redriven. Exit code 1 if any cannot be redriven.
    """
    if everything == bool(ids):
        _called_wrongly("name dead letters by id, or use --all")
    chosen = _filter(reason, topic, tenant, key)
    letters = run(_read(bootstrap_of(kafka)))
    wanted = [] if everything else _wanted(ids)
    picked = [one for one in letters if (everything or one.id in wanted) and chosen.chooses(one)]
    if everything:
        _say_unnamed(sum(map(chosen.cannot_tell, letters)))
    kept, doubles = newest_of_each(sorted(picked, key=_order))
    for double, same in doubles.items():
        _say({"id": double, "redriven": False, "why": f"the same record as {same}"})
    whole = run(_redrive(bootstrap_of(kafka), kept, dry_run=dry_run))
    if not everything:
        _exit_if_absent(wanted, {letter.id: letter for letter in picked})
    if not whole:
        raise typer.Exit(WRONG)


async def _list(bootstrap: str, chosen: Filter) -> None:
    """List them in order of time. Only summaries are kept in memory, because a dead letter may be 5 MB."""
    summaries: list[dict[str, Any]] = []
    unnamed = 0
    async for record in read_to_the_end(bootstrap, DEAD_LETTERS):
        letter = read_dead_letter(record)
        if chosen.chooses(letter):
            summaries.append(letter.summary())
        unnamed += chosen.cannot_tell(letter)
    for summary in sorted(summaries, key=lambda one: str(one["time"])):
        _say(summary)
    _say_unnamed(unnamed)


async def _read(bootstrap: str) -> list[KeptDeadLetter]:
    return [read_dead_letter(record) async for record in read_to_the_end(bootstrap, DEAD_LETTERS)]


async def _redrive(bootstrap: str, letters: Sequence[KeptDeadLetter], *, dry_run: bool) -> bool:
    """Redrive, and report each; whether all were acknowledged."""
    able = [letter for letter in letters if letter.cannot_be_redriven is None]
    for letter in letters:
        if letter.cannot_be_redriven is not None:
            _say({"id": letter.id, "redriven": False, "why": letter.cannot_be_redriven})
    if dry_run:
        for letter in able:
            _say({"id": letter.id, "redriven": False, "why": "dry run", "to": _place(letter)})
        return len(able) == len(letters)
    producer = Producer(
        bootstrap, client_id="mandaat-redrive", max_request_size=DEAD_LETTER_LIMIT_BYTES + 65_536
    )
    acknowledged = 0
    try:
        for start in range(0, len(able), BATCH):
            acknowledged += await _publish(producer, able[start : start + BATCH])
    finally:
        await producer.stop()
    return acknowledged == len(letters)


async def _publish(producer: Producer, letters: Sequence[KeptDeadLetter]) -> int:
    try:
        offsets: Sequence[int | None] = await producer.send_all([letter.outgoing() for letter in letters])
    except SendFailed as failed:
        offsets = failed.offsets
    for letter, offset in zip(letters, offsets, strict=True):
        if offset is None:
            why = "the broker did not acknowledge it; it may still be in the log"
            _say({"id": letter.id, "redriven": False, "why": why})
        else:
            _say({"id": letter.id, "redriven": True, "to": f"{_place(letter)}:{offset}"})
    return sum(offset is not None for offset in offsets)


def _place(letter: KeptDeadLetter) -> str:
    return f"{letter.topic}:{letter.partition}"


def _order(letter: KeptDeadLetter) -> tuple[str, int, int]:
    """The order in the original partitions, so that records of one case stay in order."""
    return letter.topic, letter.partition or 0, letter.offset or 0


def _filter(reasons: list[str] | None, topic: str | None, tenant: str | None, key: str | None) -> Filter:
    for reason in reasons or ():
        if reason not in REASONS:
            _called_wrongly(f"unknown reason {reason!r}; the reasons are {', '.join(REASONS)}")
    return Filter(tuple(reasons or ()), topic, tenant, key)


def _say_unnamed(count: int) -> None:
    """Say how many dead letters a choice by tenant leaves out because they name no tenant."""
    if count:
        names = "names" if count == 1 else "name"
        sys.stderr.write(f"mandaat: {count} more {names} no tenant; list them without --tenant\n")


def _wanted(ids: list[str] | None) -> list[str]:
    for name in ids or ():
        partition, _, offset = name.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            _called_wrongly(
                f"{name!r} is not the id of a dead letter; `list` shows the ids: <partition>:<offset>"
            )
    if not ids:
        _called_wrongly("name dead letters by id; `list` shows the ids")
    return list(dict.fromkeys(ids or ()))


def _exit_if_absent(wanted: Sequence[str], found: Mapping[str, KeptDeadLetter]) -> None:
    absent = [name for name in wanted if name not in found]
    if absent:
        sys.stderr.write(f"mandaat: there is no such dead letter: {', '.join(absent)}\n")
        raise typer.Exit(WRONG)


def _called_wrongly(text: str) -> None:
    sys.stderr.write(f"mandaat: {text}\n")
    raise typer.Exit(CALLED_WRONGLY)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
