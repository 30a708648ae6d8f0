"""Cutting a batch into rounds, and a round into calls of the ledger (docs/ledger.md, One round)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from engine.judging.budgets import Charges
from services.rules.worker.outcome import ReceivedInput

MOST_INPUTS: Final = 500
MOST_MICROSECONDS: Final = 150_000
"""The most work in one call: Redis serves nobody else meanwhile, and clients give up after two seconds."""
MOST_HALVINGS: Final = 9
"""After so many halvings, inputs are settled one at a time."""

T = TypeVar("T")

_INPUT, _CHARGE, _DAY = 15, 8, 1  # microseconds, measured; of a window of N days each day costs


def rounds(received: Iterable[ReceivedInput], most: int = MOST_INPUTS) -> Iterator[list[ReceivedInput]]:
    """Cut in order. An input that must stand alone shares no round with another input of its case.

    For example, a verdict reads the state of its approval, which the round before must have settled.
    """
    current: list[ReceivedInput] = []
    alone_by_case: dict[tuple[str, str], bool] = {}
    for one in received:
        case_key, alone = one.input.case_key, one.input.alone
        mixed = case_key in alone_by_case and (alone or alone_by_case[case_key])
        if mixed or len(current) == most:
            yield current
            current, alone_by_case = [], {}
        current.append(one)
        alone_by_case[case_key] = alone
    if current:
        yield current


def microseconds(charge_options: Iterable[Charges], probes: Charges) -> int:
    """The longest an input may take in the ledger: all charges are tried, and no counter was read before."""
    taken = _INPUT
    for charges in (*charge_options, probes):
        for charge in charges:
            taken += _CHARGE + _DAY * charge.days
    return taken


def calls(inputs: Iterable[T], microseconds_of: Callable[[T], int], halvings: int = 0) -> Iterator[list[T]]:
    """Cut in order into calls. The limits of a call are halved so many times.

    An input that exceeds the limits by itself gets a call of its own.
    """
    most, most_microseconds = MOST_INPUTS >> halvings, MOST_MICROSECONDS >> halvings
    current: list[T] = []
    filled = 0
    for one in inputs:
        further = microseconds_of(one)
        if current and (len(current) >= most or filled + further > most_microseconds):
            yield current
            current, filled = [], 0
        current.append(one)
        filled += further
    if current:
        yield current
