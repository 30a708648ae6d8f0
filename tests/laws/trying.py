"""How many examples a law is tried on: MANDAAT_LAWS=20 tries twenty times as many as the suite does."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

TIMES: Final = int(os.environ.get("MANDAAT_LAWS", "1"))


def tried(examples: int, **more: int) -> settings:
    """Settings for so many examples in the suite; an example is not timed."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        **more,  # type: ignore[arg-type] # stateful_step_count alone
    )
