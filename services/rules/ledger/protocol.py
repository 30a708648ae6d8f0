"""The values that go into the ledger's script and come out of it, and how they are written.

See docs/ledger.md, The script; and docs/ledger.md, Keys. An id is any text; 20 bits of its blake2b hash
choose a bucket and 72 bits the field in it. A digest is 8 characters (48 bits in base64). A sequence is a
number of 16 digits: the ledger's order, and nearly microseconds since 1970.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias, assert_never

from schemas.withdrawal import WITHDRAWN

DIGEST_LENGTH: Final = 8


class SetState(NamedTuple):
    """`id` has this state from now on. The ledger does not look into it."""

    id: str
    state: bytes


class RemoveState(NamedTuple):
    """The state of `id` is no longer needed."""

    id: str


class Link(NamedTuple):
    """The index entry of `id` points to `seq` now. It keeps its digest; a new entry gets WITHDRAWN."""

    id: str
    seq: int


class Credit(NamedTuple):
    """A counter changes by `amount`, which is negative in a confirm: what a round gives back.

    What a round charges is counted when it is settled, so the confirm does not count it again. A replay of
    the journal has charges of either sign.
    """

    key: str
    field: str
    amount: int


Effect: TypeAlias = SetState | RemoveState | Link | Credit
"""A change that counts only once the journal has it."""


class Confirm(NamedTuple):
    """The journal has acknowledged the round before.

    `first_sequence` comes from the answer that settled the round; it is None if the partition settled nothing
    new and only published repeats. `next_offset` follows the last acknowledged record of the partition.
    """

    first_sequence: int | None
    next_offset: int
    effects: tuple[Effect, ...] = ()


class Part(NamedTuple):
    """A partition that a call is about, the generation under which the worker took it, and its confirm."""

    p: int
    gen: int
    confirm: Confirm | None = None


class CounterCharge(NamedTuple):
    """Count `amount` (1 or more; minor units or a count) in `field` of a counter, which may hold up to `cap`.

    With `days` the field is a day, as its number since 1970, and the cap holds for every run of so many days.
    """

    key: str
    field: str
    amount: int
    cap: int
    days: int = 0


class Item(NamedTuple):
    """One input of partition `p`, to be settled once under `id`.

    The first of `charge_options` of which every charge has room is charged. If none has, `probes` are read.
    """

    p: int
    id: str
    digest: str
    charge_options: tuple[tuple[CounterCharge, ...], ...] = ()
    probes: tuple[CounterCharge, ...] = ()


class CounterUse(NamedTuple):
    """The content of a counter: of the field; or with `days`, the most in any run that includes the day.

    `free_day`, only with `days`: the first later day on which the amount has room; None if there is none.
    """

    used: int
    free_day: int | None = None


class New(NamedTuple):
    """Settled now, tentatively. `chosen_option`: the number of the charged option, from 1; or 0 for none.

    `used`: one for each charge of each option that had no room; if none had room, also one for each probe.
    """

    seq: int
    chosen_option: int
    used: tuple[CounterUse, ...] = ()


class SettledBefore(NamedTuple):
    """The id was settled before with `digest`; its newest events have `seq`. Another digest is a conflict."""

    digest: str
    seq: int


class Refusal(Enum):
    """Why the call did nothing for a partition. Its owner takes it over again."""

    FENCED = -1
    """Another worker took the partition since."""
    BUSY = -2
    """An earlier round is still pending."""


Answer: TypeAlias = New | SettledBefore | Refusal


class Settled(NamedTuple):
    """The answers to a call, in the order of its items. `time_us` is Redis' clock."""

    time_us: int
    first_sequence: int
    answers: tuple[Answer, ...]
    refused: dict[int, Refusal]


class Wanted(NamedTuple):
    """States and index entries of partition `p`, to be read."""

    p: int
    states: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


class Found(NamedTuple):
    """The states and index entries that exist, by id."""

    states: dict[str, bytes]
    entries: dict[str, SettledBefore]


class ReadAnswers(NamedTuple):
    """The answers to a read, by partition. A refused partition has none."""

    time_us: int
    found: dict[int, Found]
    refused: dict[int, Refusal]


class TakenPartition(NamedTuple):
    """A partition that was taken, under generation `gen`.

    `pos` is the next offset of the journal that Redis does not have.
    """

    gen: int
    pos: int
    pending: bool


class Applied(NamedTuple):
    """The events of one sequence, as the ledger applies them."""

    seq: int
    id: str
    digest: str
    effects: tuple[Effect, ...] = ()


EffectsOf: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], Applied]
"""Answers the effects of the events of one input. It is pure, and gets each event once."""
Argument: TypeAlias = int | str | bytes


def place(index_id: str) -> tuple[str, bytes]:
    """Bucket (20 bits, hexadecimal) and field (72 bits, base64) of an id in the index."""
    hashed = blake2b(index_id.encode(), digest_size=12).digest()
    return hashed[:3].hex()[:5], b2a_base64(hashed[3:], newline=False)


def read_entry(value: bytes) -> SettledBefore:
    """Read an index value: 8 characters of digest and 7 bytes of sequence."""
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
            case _:
                assert_never(effect)


def write_parts(parts: list[Part], into: list[Argument]) -> None:
    """Append each part. As first sequence, -1 says: nothing to confirm; 0: only repeats were published."""
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
    """Append each item with the number of its part. Raises ValueError, or KeyError if its part is missing."""
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
                for charge in group:
                    into += charge
        else:
            into.append(0)


def write_records(records: list[Applied], into: list[Argument]) -> None:
    """Append the number of records and each one."""
    into.append(len(records))
    for seq, index_id, digest, effects in records:
        into += (seq, *place(index_id), digest)
        write_effects(effects, into)


def read_answers(raw: list[int | bytes | list[Any]], first_sequence: int) -> tuple[Answer, ...]:
    """Read the answers. New items have the sequences from `first_sequence` on, in order."""
    seq = first_sequence
    answers: list[Answer] = []
    for one in raw:
        if isinstance(one, bytes):
            answers.append(read_entry(one))
            continue
        if isinstance(one, list):  # the chosen option, then two numbers for each counter that was read
            answers.append(New(seq, one[0], tuple(map(CounterUse, one[1::2], one[2::2]))))
        elif one >= 0:
            answers.append(New(seq, one))
        else:
            answers.append(Refusal(one))
            continue
        seq += 1
    return tuple(answers)


def read_refusals(parts: list[Part], raw: list[int]) -> dict[int, Refusal]:
    """The refused partitions, and why."""
    return {part.p: Refusal(code) for part, code in zip(parts, raw, strict=True) if code}
