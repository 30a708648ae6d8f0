from __future__ import annotations

import asyncio

import pytest

from schemas.errors import Unreadable
from services.chassis.process.errors import SendFailed, TryAgain
from services.chassis.process.families import Family, family_of


async def ends_with(error: BaseException | None) -> None:
    if error is not None:
        raise error


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (None, Family.DONE),
        (TryAgain("away"), Family.TRY_AGAIN),
        (SendFailed({}), Family.TRY_AGAIN),
        (asyncio.CancelledError(), Family.TRY_AGAIN),
        (KeyError("x"), Family.BUG),
        (Unreadable("invalid", "not handled"), Family.BUG),
    ],
)
async def test_every_error_has_one_family(error: BaseException | None, family: Family) -> None:
    ended = await family_of(ends_with(error))
    assert (ended.family, ended.error) == (family, error)


async def test_cancelling_the_caller_is_raised() -> None:
    task = asyncio.create_task(family_of(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
