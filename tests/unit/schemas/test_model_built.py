from __future__ import annotations

from schemas.decision import Charge
from schemas.model import construct_trusted

GIVEN = {
    "budget": "day",
    "scope": "tenant",
    "window": "2026-03-02",
    "days": None,
    "amount": "1.00",
    "count": None,
}


def test_a_constructed_model_equals_one_that_was_read() -> None:
    read = Charge.model_validate(GIVEN)
    one = construct_trusted(Charge, **GIVEN)

    assert one == read
    assert hash(one) == hash(read)
    assert repr(one) == repr(read)
    assert one.model_dump_json() == read.model_dump_json()
    assert one.model_copy(update={"count": 2}).count == 2


def test_a_constructed_model_is_written_in_the_order_of_the_model() -> None:
    assert list(Charge.model_fields) == list(GIVEN)
