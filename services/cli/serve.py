"""`mandaat serve`: run one service in place of this process."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer


class Service(StrEnum):
    """The services."""

    INTAKE = "intake"
    RULES = "rules"
    NOTIFIER = "notifier"


def serve(service: Annotated[Service, typer.Argument(help="The service to run.")]) -> None:
    """Run one service until SIGTERM or Ctrl-C, with settings from the environment (MANDAAT_...)."""
    # It replaces this process, so that signals reach the service and the exit code is its own.
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])  # noqa: S606 - no shell is meant
