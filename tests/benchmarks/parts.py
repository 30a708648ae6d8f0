"""All parts of the benchmarks by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.benchmarks import (
    against_copy,
    latency,
    memory,
    other_frameworks,
    policy_size,
    rebuild,
    same_call,
    two_workers,
)
from tests.benchmarks.rows import Row, ShowProgress, Size

Part = Callable[[Size, ShowProgress], Awaitable[list[Row]]]
PARTS: Final[dict[str, Part]] = {
    "copy": against_copy.run,
    "latency": latency.run,
    "call": same_call.run,
    "workers": two_workers.run,
    "size": policy_size.run,
    "frameworks": other_frameworks.run,
    "memory": memory.run,
    "rebuild": rebuild.run,
}
