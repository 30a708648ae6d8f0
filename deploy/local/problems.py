"""What can go wrong with a stack, in words for the person who started it."""

from __future__ import annotations


class StackError(Exception):
    """Something that the person at the keyboard can see and mend; its text says what and how."""


class StartError(StackError):
    """A process of the stack ended, or was not ready in time. `log_tail` holds its last lines."""

    def __init__(self, text: str, log_tail: str = "") -> None:
        super().__init__(text)
        self.log_tail = log_tail
