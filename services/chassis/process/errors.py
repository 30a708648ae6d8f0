"""The three families of errors: each says what happens next.

```
Unreadable      (schemas.errors) this input can never be handled: dead letter, go on
TryAgain        another system is away or slow: wait and repeat; nothing is lost meanwhile
  SendFailed    some records were not acknowledged; they may still be in the log
any other       a bug: it is logged, and the process stops with exit code 1
ConfigurationError   only at start: one line, exit code 2
```
Only `services.chassis.process.families` decides on the family of an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from schemas.errors import Unreadable

__all__ = ["ConfigurationError", "SendFailed", "TryAgain", "Unreadable"]


class TryAgain(Exception):  # noqa: N818 - a word of the design
    """Another system is away: wait and repeat. The text is for the log, without personal data."""


class SendFailed(TryAgain):
    """Records that the broker refused or did not acknowledge in time.

    `failed` gives the error of each partition. `offsets` has one entry for each record, in the order given,
    None where there was no acknowledgement. Records that timed out **may still be in the log**.
    """

    def __init__(
        self, failed: Mapping[TopicPartition, BaseException], offsets: Sequence[int | None] = ()
    ) -> None:
        what = ", ".join(f"{tp.topic}-{tp.partition} ({type(why).__name__})" for tp, why in failed.items())
        super().__init__(f"not acknowledged: {what}")
        self.failed = dict(failed)
        self.offsets = list(offsets)


class ConfigurationError(Exception):
    """The process cannot start with these settings. The operator sees the text, in one line."""
