"""`mandaat serve`: one service in this process' place, settings from the environment."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer


class Service(StrEnum):
    """What can be served."""

    INTAKE = "intake"
    RULES = "rules"
    NOTIFIER = "notifier"


def serve(service: Annotated[Service, typer.Argument(help="Which one.")]) -> None:
    """Run one service, settings from the environment (MANDAAT_...), until SIGTERM or Ctrl-C."""
    # In place of this process, so that signals and the exit code are the service's own.
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])  # noqa: S606 - no shell is meant
