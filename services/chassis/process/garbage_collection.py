"""How often Python looks for cycles: seldom, and never among what stays.

A batch makes tens of thousands of objects that refer to no cycle and go when it is done. With Python's own
thresholds (700) they are looked through again and again while they live: a third of what a decision cost. And
a look through a million agents takes most of a second, in which nobody is answered.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 100_000
"""Objects made and not gone again since the last look: more than the largest batch has alive."""


def raise_thresholds() -> None:
    """For a process that handles batches; call it once, at its start."""
    gc.set_threshold(YOUNG, 10, 10)


def freeze_long_lived_objects() -> None:
    """All that lives now (code, policies, staff) is not looked through any more; what changes of it is."""
    gc.collect()
    gc.freeze()
