"""The doors over HTTP, one row each in HTTP_DOORS, and the list of all doors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from fastapi import FastAPI

from services.chassis.http.keys import Keys
from services.intake.accepting import HTTP, INBOUND, Door, Intake
from services.intake.answering.waiters import Waiters
from services.intake.doors import http


class HttpDoor(NamedTuple):
    """A door over HTTP, and the function that adds its routes.

    The function gets the application, intake, the keys, the address of the notifier if there is one, and the
    callers who wait for a decision.
    """

    door: Door
    add_routes: Callable[[FastAPI, Intake, Keys, str | None, Waiters], None]


HTTP_DOORS: Final = (HttpDoor(HTTP, http.add_routes),)
DOORS: Final = (*(row.door for row in HTTP_DOORS), INBOUND)


def add_all_routes(
    app: FastAPI, intake: Intake, keys: Keys, notifier_url: str | None, waiters: Waiters
) -> None:
    """Add the routes of every door to an application."""
    for row in HTTP_DOORS:
        row.add_routes(app, intake, keys, notifier_url, waiters)
