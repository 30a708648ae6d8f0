"""The exit codes of commands, beside 0. A demonstration that is stopped before its report exits with 1."""

from __future__ import annotations

from typing import Final

WRONG: Final = 1
"""The checked thing is wrong."""
CALLED_WRONGLY: Final = 2
"""The command was called wrongly, or something it needs is missing."""
