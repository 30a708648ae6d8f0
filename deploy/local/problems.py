"""Errors of a stack, with texts for the person who started it."""

from __future__ import annotations


class StackError(Exception):
    """An error that the person can fix; the text says what is wrong, and what to do."""


class StartError(StackError):
    """A process of the stack ended, or was not ready in time. `log_tail` has the last lines of its log."""

    def __init__(self, text: str, log_tail: str = "") -> None:
        super().__init__(text)
        self.log_tail = log_tail
