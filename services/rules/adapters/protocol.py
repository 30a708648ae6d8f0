"""What is said between a worker and the ledger, and how it is written (LEDGER.md, Keys and The script).

Nothing here knows a domain noun: ids, digests, sequences, effects, states and links. An id is any text; of
its blake2b hash 20 bits choose a bucket and 72 bits the field in it. A digest is 8 characters (48 bits in
base64). A sequence is a number of 16 digits: the ledger's order, and nearly the microseconds since 1970.
"""

from __future__ import annotations

from binascii import b2a_base64
from enum import Enum
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

DIGEST_LENGTH: Final = 8

Variants: TypeAlias = tuple[tuple[()], ...]
"""Candidates in the order to try, each with its charges; the last has none. Charges do not exist yet."""
ONE_VARIANT: Final[Variants] = ((),)


class SetState(NamedTuple):
    """The whole new state of `id`, opaque to the ledger."""

    id: str
    state: bytes


class RemoveState(NamedTuple):
    """The state of `id` is no longer needed."""

    id: str


class Link(NamedTuple):
    """The index of `id` points to `seq` from now on, its digest unchanged."""

    id: str
    seq: int


Effect: TypeAlias = SetState | RemoveState | Link
"""What counts only once the journal has it. Credits and timers join here."""


class Confirm(NamedTuple):
    """The journal has acknowledged the round before.

    `b0` is that of the answer that settled it, None where the partition settled nothing new (only repeats
    were published); `next_offset` follows the last record that was acknowledged in the partition.
    """

    b0: int | None
    next_offset: int
    effects: tuple[Effect, ...] = ()


class Part(NamedTuple):
    """A partition that a call is about, with the generation under which the worker took it."""

    p: int
    gen: int
    confirm: Confirm | None = None


class Item(NamedTuple):
    """One input of partition `p`, to be settled once under `id`."""

    p: int
    id: str
    digest: str
    variants: Variants = ONE_VARIANT


class New(NamedTuple):
    """Settled now, tentatively: `variant` is the place of the one that was taken."""

    seq: int
    variant: int


class Known(NamedTuple):
    """Settled before, under `digest`; its newest events have `seq`. Another digest is a conflict."""

    digest: str
    seq: int


class Refusal(Enum):
    """Why a partition was not served; its owner hands the whole call to Take-over."""

    FENCED = -1
    """Somebody took the partition since."""
    BUSY = -2
    """What was settled before is still pending."""


Answer: TypeAlias = New | Known | Refusal


class Settled(NamedTuple):
    """The answers to a call, in the order of its items. `time_us` is Redis' clock."""

    time_us: int
    b0: int
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
    entries: dict[str, Known]


class Reading(NamedTuple):
    """Answers to a read, by partition; a refused partition has none."""

    time_us: int
    found: dict[int, Found]
    refused: dict[int, Refusal]


class Taken(NamedTuple):
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


Argument: TypeAlias = int | str | bytes


def place(index_id: str) -> tuple[str, bytes]:
    """Bucket (20 bits, hexadecimal) and field (72 bits, base64) of an id in the index."""
    hashed = blake2b(index_id.encode(), digest_size=12).digest()
    return hashed[:3].hex()[:5], b2a_base64(hashed[3:], newline=False)


def known(value: bytes) -> Known:
    """Read an index value: 8 characters of digest, 7 bytes of sequence."""
    return Known(value[:DIGEST_LENGTH].decode("ascii"), int.from_bytes(value[DIGEST_LENGTH:], "big"))


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
                into += ("l", *place(index_id), seq)


def write_parts(parts: list[Part], into: list[Argument]) -> None:
    """Append each part; -1 says that there is nothing to confirm, 0 that nothing was settled."""
    for part in parts:
        if part.confirm is None:
            into += (part.p, part.gen, -1, 0, 0)
            continue
        b0, next_offset, effects = part.confirm
        if b0 is None and effects:
            raise ValueError("a round that settled nothing has no effects")
        into += (part.p, part.gen, b0 or 0, next_offset)
        write_effects(effects, into)


def write_items(parts: list[Part], items: list[Item], into: list[Argument]) -> None:
    """Append each item, its part by place. Raises ValueError, or KeyError where its part is not given."""
    places = {part.p: number for number, part in enumerate(parts, 1)}
    for p, index_id, digest, variants in items:
        if len(digest) != DIGEST_LENGTH:
            raise ValueError(f"a digest has {DIGEST_LENGTH} characters, not {digest!r}")
        if variants != ONE_VARIANT:
            raise ValueError("charges do not exist yet: an item has one variant without any")
        hashed = blake2b(index_id.encode(), digest_size=12).digest()
        into += (places[p], hashed[:3].hex()[:5], b2a_base64(hashed[3:], newline=False), digest, 0)


def write_records(records: list[Applied], into: list[Argument]) -> None:
    """Append the number of records and each one."""
    into.append(len(records))
    for seq, index_id, digest, effects in records:
        into += (seq, *place(index_id), digest)
        write_effects(effects, into)


def read_answers(raw: list[int | bytes], b0: int) -> tuple[Answer, ...]:
    """New items got the sequences from b0 on, in order."""
    seq = b0
    answers: list[Answer] = []
    for one in raw:
        if isinstance(one, bytes):
            answers.append(known(one))
        elif one < 0:
            answers.append(Refusal(one))
        else:
            answers.append(New(seq, one))
            seq += 1
    return tuple(answers)


def read_refusals(parts: list[Part], raw: list[int]) -> dict[int, Refusal]:
    """The partitions that were not served, and why."""
    return {part.p: Refusal(code) for part, code in zip(parts, raw, strict=True) if code}
