"""What happens next when something goes wrong: three families, no more.

```
Unreadable      (schemas.errors) this input can never be handled: dead letter, go on
TryAgain        the outside is away or slow: wait, repeat; nothing is lost meanwhile
  SendFailed    some records were not acknowledged; they may still be in the log
every other     a bug: the worker says so loudly and stops with exit code 1
ConfigurationError   only at start: one clear line, exit code 2
```
`services.chassis.process.families` is the only place that decides on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from schemas.errors import Unreadable

__all__ = ["ConfigurationError", "SendFailed", "TryAgain", "Unreadable"]


class TryAgain(Exception):  # noqa: N818 - a word of the design
    """The outside is away: back off and repeat. The text is for the log, without personal data."""


class SendFailed(TryAgain):
    """Records that the broker refused or did not acknowledge in time.

    `failed` says why, by partition; `offsets` holds one entry a record in the order given, None where
    there was no acknowledgement. What timed out **may still be in the log**.
    """

    def __init__(
        self, failed: Mapping[TopicPartition, BaseException], offsets: Sequence[int | None] = ()
    ) -> None:
        what = ", ".join(f"{tp.topic}-{tp.partition} ({type(why).__name__})" for tp, why in failed.items())
        super().__init__(f"not acknowledged: {what}")
        self.failed = dict(failed)
        self.offsets = list(offsets)


class ConfigurationError(Exception):
    """The process cannot start with these settings; the text is the one line that the operator sees."""
