"""Collects cycles rarely, and freezes long-lived objects.

A batch creates tens of thousands of objects that are in no cycle, and frees them when it is done. With
Python's default threshold (700) the collector scans them again and again meanwhile, which was a third of the
cost of a decision. A scan of a million agents takes most of a second, in which nothing else runs.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 100_000
"""New objects that start a collection: more than the largest batch holds at a time."""


def raise_thresholds() -> None:
    """Call it once, at the start of a process that handles batches."""
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def freeze_long_lived_objects() -> None:
    """The collector ignores all objects that exist now (code, policies, staff); new ones it still scans."""
    gc.collect()
    gc.freeze()
