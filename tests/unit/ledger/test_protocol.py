"""How the arguments of the ledger's script are written and its answers read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.withdrawal import WITHDRAWN
from services.rules.ledger import script
from services.rules.ledger.protocol import (
    Argument,
    Confirm,
    CounterCharge,
    CounterUse,
    Credit,
    Item,
    Link,
    New,
    Part,
    Refusal,
    SetState,
    SettledBefore,
    place,
    read_answers,
    read_entry,
    write_items,
    write_parts,
)


@given(st.text(min_size=1))
def test_an_id_has_one_place_of_20_and_72_bits(index_id: str) -> None:
    bucket, field = place(index_id)
    assert len(bucket) == 5
    assert int(bucket, 16) < 2**20
    assert len(field) == 12
    assert place(index_id) == (bucket, field)


@given(st.integers(min_value=0, max_value=2**53))
def test_a_sequence_is_read_as_it_was_written(seq: int) -> None:
    assert read_entry(b"12345678" + seq.to_bytes(7, "big")) == SettledBefore("12345678", seq)


def test_new_items_get_the_sequences_in_order_and_the_others_none() -> None:
    stored = b"12345678" + (5).to_bytes(7, "big")
    answers = read_answers([0, stored, -1, 0, -2], 100)
    assert answers == (New(100, 0), SettledBefore("12345678", 5), Refusal.FENCED, New(101, 0), Refusal.BUSY)


def test_counter_uses_are_read_with_the_chosen_option() -> None:
    answers = read_answers([2, [3, 70, None, 5, 19_785], 0], 100)
    assert answers == (New(100, 2), New(101, 3, (CounterUse(70), CounterUse(5, 19_785))), New(102, 0))


def test_parts_are_written_flat_with_what_they_confirm() -> None:
    written: list[Argument] = []
    confirm = Confirm(7, 3, (SetState("a", b"\xff"), Link("b", 9), Credit("k", "f", -5)))
    write_parts([Part(0, 1), Part(1, 2, confirm), Part(2, 3, Confirm(None, 8))], written)
    effects = ["s", "a", b"\xff", "l", *place("b"), WITHDRAWN, 9, "c", "k", "f", -5]
    assert written == [0, 1, -1, 0, 0, 1, 2, 7, 3, 3, *effects, 2, 3, 0, 8, 0]


def test_charge_options_are_written_flat_and_probes_last() -> None:
    written: list[Argument] = []
    day, month, run = (
        CounterCharge("d", "2026-03-02", 5, 9),
        CounterCharge("m", "2026-03", 5, 99),
        CounterCharge("r", "20514", 5, 7, 30),
    )
    items = [
        Item(0, "a", "12345678", ((day, month), (run,)), (day,)),
        Item(0, "a", "12345678"),
        Item(0, "a", "12345678", (), (run,)),
    ]
    write_items([Part(0, 1)], items, written)
    begins = [1, *place("a"), "12345678"]
    first = [*begins, 3, 2, *day, *month, 1, *run, 1, *day]
    assert written == [*first, *begins, 0, *begins, 1, 1, *run]


def test_invalid_items_and_confirms_are_never_sent() -> None:
    part = Part(0, 1)
    with pytest.raises(ValueError, match="8 characters"):
        write_items([part], [Item(0, "id", "short")], [])
    with pytest.raises(KeyError):
        write_items([part], [Item(1, "id", "12345678")], [])
    with pytest.raises(ValueError, match="no effects"):
        write_parts([part._replace(confirm=Confirm(None, 1, (Link("a", 1),)))], [])


def test_the_name_of_the_script_changes_with_the_epoch() -> None:
    assert script.text("abc").split("\n")[1] == "local NONCE = 'abc'"
    assert len({script.sha("abc"), script.sha("abd"), script.sha("")}) == 3
    with pytest.raises(ValueError, match="letters and digits"):
        script.text("a'b")


SHA_BY_VERSION = {3: "b39bfcc721b202b48d25f72394a9da02eaa35bc4"}


def test_a_changed_script_has_a_new_version() -> None:
    """After a change of the script, raise VERSION and put the new SHA here (docs/decisions/0006)."""
    assert script.sha("") == SHA_BY_VERSION[script.VERSION]


def test_a_nonce_says_its_version() -> None:
    assert script.version_of(script.new_nonce()) == script.VERSION
    assert script.version_of("0123456789abcdef") == 1
    assert script.new_nonce().isalnum()
