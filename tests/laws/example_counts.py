"""The number of examples of a law. MANDAAT_LAWS=20 runs twenty times as many as the suite does."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

TIMES: Final = int(os.environ.get("MANDAAT_LAWS", "1"))


def examples(count: int, **more: int) -> settings:
    """Hypothesis settings for so many examples in the suite, without a time limit for one example."""
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        **more,  # type: ignore[arg-type] # only stateful_step_count is used
    )
