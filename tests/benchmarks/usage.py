"""What a process has used so far."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """Of this process with all its threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
