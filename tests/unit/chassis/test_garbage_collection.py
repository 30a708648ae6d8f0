from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from services.chassis.process.garbage_collection import (
    YOUNG_OBJECTS,
    freeze_long_lived_objects,
    raise_thresholds,
)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_no_collection_runs_while_a_batch_is_handled() -> None:
    raise_thresholds()

    assert gc.isenabled()
    assert gc.get_threshold()[0] == YOUNG_OBJECTS


def test_frozen_objects_are_never_scanned() -> None:
    staff = [{"agent": n} for n in range(1000)]
    freeze_long_lived_objects()

    assert gc.get_freeze_count() >= len(staff)
    assert not any(one is staff for one in gc.get_objects())
