"""Decides on the family of an error (services.chassis.process.errors), and is the only place that does.

No other module catches `Exception`, but for services.chassis.process.threads, which carries it from a thread
to where it is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import NamedTuple

from services.chassis.process.errors import TryAgain


class Family(StrEnum):
    """How a step ended."""

    DONE = "done"
    TRY_AGAIN = "try_again"
    BUG = "bug"


class StepOutcome(NamedTuple):
    """The family, and the error if there was one."""

    family: Family
    error: BaseException | None = None


async def family_of(step: Awaitable[object]) -> StepOutcome:
    """Awaits a step and says how it ended. Raises only CancelledError, when the caller itself is cancelled.

    A client library may also cancel a task of its own, so that CancelledError comes out of the step although
    nobody cancelled the caller. That would end a consuming loop in silence, so it means *try again*.
    """
    try:
        await step
    except TryAgain as outside:
        return StepOutcome(Family.TRY_AGAIN, outside)
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return StepOutcome(Family.TRY_AGAIN, cancelled)
    except Exception as bug:  # noqa: BLE001 - the one place; an Unreadable that nobody handled is a bug too
        return StepOutcome(Family.BUG, bug)
    return StepOutcome(Family.DONE)
