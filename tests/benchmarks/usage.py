"""The CPU time of a process."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """The CPU seconds of this process and its threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
