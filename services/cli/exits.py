"""With what a command exits, beside 0. A demonstration that is stopped before its report exits 1."""

from __future__ import annotations

from typing import Final

WRONG: Final = 1
"""What it looked at is wrong."""
CALLED_WRONGLY: Final = 2
"""It was called wrongly, or what it needs is not there."""
