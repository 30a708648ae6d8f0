"""What is said between a worker and the ledger, and how it is written (LEDGER.md, Keys and The script).

Nothing here knows a domain noun: ids, digests, sequences, counters, effects, states and links. An id is any
text; of its blake2b hash 20 bits choose a bucket and 72 bits the field in it. A digest is 8 characters (48
bits in base64). A sequence is a number of 16 digits: the ledger's order, and nearly microseconds since 1970.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from schemas.withdrawal import WITHDRAWN

DIGEST_LENGTH: Final = 8


class SetState(NamedTuple):
    """The whole new state of `id`, opaque to the ledger."""

    id: str
    state: bytes


class RemoveState(NamedTuple):
    """The state of `id` is no longer needed."""

    id: str


class Link(NamedTuple):
    """The index of `id` points to `seq` from now on, its digest unchanged; WITHDRAWN where there was none."""

    id: str
    seq: int


class Credit(NamedTuple):
    """A counter changes by `amount`: what a round gives back (negative), or whatever the journal says.

    What a round takes is counted when it is settled, and so is no effect of its confirm.
    """

    key: str
    field: str
    amount: int


Effect: TypeAlias = SetState | RemoveState | Link | Credit
"""What counts only once the journal has it. Timers join here."""


class Confirm(NamedTuple):
    """The journal has acknowledged the round before.

    `first_sequence` is that of the answer that settled it; None where the partition settled nothing new and
    only published repeats. `next_offset` follows the last record that was acknowledged in the partition.
    """

    first_sequence: int | None
    next_offset: int
    effects: tuple[Effect, ...] = ()


class Part(NamedTuple):
    """A partition that a call is about, with the generation under which the worker took it."""

    p: int
    gen: int
    confirm: Confirm | None = None


class CounterCharge(NamedTuple):
    """`amount` (1 or more) in minor units or a count goes to a counter's `field`, which holds `cap` at most.

    With `days` the field is a day, as a number since 1970, and the cap is of every run of so many days.
    """

    key: str
    field: str
    amount: int
    cap: int
    days: int = 0


class Item(NamedTuple):
    """One input of partition `p`, to be settled once under `id`.

    The first of `charge_options` of which all have room is taken; where none is, `probes` are looked at too.
    """

    p: int
    id: str
    digest: str
    charge_options: tuple[tuple[CounterCharge, ...], ...] = ()
    probes: tuple[CounterCharge, ...] = ()


class CounterUse(NamedTuple):
    """What a counter held: in the field, or the most in any run of `days` that holds the day.

    `free_day`: with `days`, the first later day on which the amount has room, None if never; else None.
    """

    used: int
    free_day: int | None = None


class New(NamedTuple):
    """Settled now, tentatively. `chosen_option`: which of `charge_options` was charged, from 1; 0 for none.

    `used`: one for each charge of each option that had no room before it; with 0 also one for each probe.
    """

    seq: int
    chosen_option: int
    used: tuple[CounterUse, ...] = ()


class SettledBefore(NamedTuple):
    """Settled before, under `digest`; its newest events have `seq`. Another digest is a conflict."""

    digest: str
    seq: int


class Refusal(Enum):
    """Why a partition was not served; its owner hands the whole call to Take-over."""

    FENCED = -1
    """Somebody took the partition since."""
    BUSY = -2
    """What was settled before is still pending."""


Answer: TypeAlias = New | SettledBefore | Refusal


class Settled(NamedTuple):
    """The answers to a call, in the order of its items. `time_us` is Redis' clock."""

    time_us: int
    first_sequence: int
    answers: tuple[Answer, ...]
    refused: dict[int, Refusal]


class Wanted(NamedTuple):
    """States and index entries of partition `p` to be read."""

    p: int
    states: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


class Found(NamedTuple):
    """What was there, by id; what is not in it was not there."""

    states: dict[str, bytes]
    entries: dict[str, SettledBefore]


class ReadAnswers(NamedTuple):
    """Answers to a read, by partition; a refused partition has none."""

    time_us: int
    found: dict[int, Found]
    refused: dict[int, Refusal]


class TakenPartition(NamedTuple):
    """A partition, from now on held under `gen`. `pos` is the next offset of the journal that Redis lacks."""

    gen: int
    pos: int
    pending: bool


class Applied(NamedTuple):
    """All events of one sequence as the ledger sees them: the id that was settled, digest, effects."""

    seq: int
    id: str
    digest: str
    effects: tuple[Effect, ...] = ()


EffectsOf: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], Applied]
"""What the events of one input did to the ledger: a rule of the domain, and pure. No event comes twice."""
Argument: TypeAlias = int | str | bytes


def place(index_id: str) -> tuple[str, bytes]:
    """Bucket (20 bits, hexadecimal) and field (72 bits, base64) of an id in the index."""
    hashed = blake2b(index_id.encode(), digest_size=12).digest()
    return hashed[:3].hex()[:5], b2a_base64(hashed[3:], newline=False)


def known(value: bytes) -> SettledBefore:
    """Read an index value: 8 characters of digest, 7 bytes of sequence."""
    return SettledBefore(value[:DIGEST_LENGTH].decode("ascii"), int.from_bytes(value[DIGEST_LENGTH:], "big"))


def write_effects(effects: tuple[Effect, ...], into: list[Argument]) -> None:
    """Append the number of effects and each one, its kind first."""
    into.append(len(effects))
    for effect in effects:
        match effect:
            case SetState(state_id, state):
                into += ("s", state_id, state)
            case RemoveState(state_id):
                into += ("x", state_id)
            case Link(index_id, seq):
                into += ("l", *place(index_id), WITHDRAWN, seq)
            case Credit(key, field, amount):
                into += ("c", key, field, amount)


def write_parts(parts: list[Part], into: list[Argument]) -> None:
    """Append each part; -1 says that there is nothing to confirm, 0 that nothing was settled."""
    for part in parts:
        if part.confirm is None:
            into += (part.p, part.gen, -1, 0, 0)
            continue
        first_sequence, next_offset, effects = part.confirm
        if first_sequence is None and effects:
            raise ValueError("a round that settled nothing has no effects")
        into += (part.p, part.gen, first_sequence or 0, next_offset)
        write_effects(effects, into)


def write_items(parts: list[Part], items: list[Item], into: list[Argument]) -> None:
    """Append each item, its part by place. Raises ValueError, or KeyError where its part is not given."""
    places = {part.p: number for number, part in enumerate(parts, 1)}
    for p, index_id, digest, charge_options, probes in items:
        if len(digest) != DIGEST_LENGTH:
            raise ValueError(f"a digest has {DIGEST_LENGTH} characters, not {digest!r}")
        hashed = blake2b(index_id.encode(), digest_size=12).digest()
        into += (places[p], hashed[:3].hex()[:5], b2a_base64(hashed[3:], newline=False), digest)
        if charge_options or probes:
            into.append(len(charge_options) + 1)
            for group in (*charge_options, probes):
                into.append(len(group))
                for take in group:
                    into += take
        else:
            into.append(0)


def write_records(records: list[Applied], into: list[Argument]) -> None:
    """Append the number of records and each one."""
    into.append(len(records))
    for seq, index_id, digest, effects in records:
        into += (seq, *place(index_id), digest)
        write_effects(effects, into)


def read_answers(raw: list[int | bytes | list[Any]], first_sequence: int) -> tuple[Answer, ...]:
    """New items got the sequences from b0 on, in order."""
    seq = first_sequence
    answers: list[Answer] = []
    for one in raw:
        if isinstance(one, bytes):
            answers.append(known(one))
            continue
        if isinstance(one, list):  # the variant, then two of each that was looked at
            answers.append(New(seq, one[0], tuple(map(CounterUse, one[1::2], one[2::2]))))
        elif one >= 0:
            answers.append(New(seq, one))
        else:
            answers.append(Refusal(one))
            continue
        seq += 1
    return tuple(answers)


def read_refusals(parts: list[Part], raw: list[int]) -> dict[int, Refusal]:
    """The partitions that were not served, and why."""
    return {part.p: Refusal(code) for part, code in zip(parts, raw, strict=True) if code}
