"""Judging: whether a request is within an agent's authority, and who may decide if it is not."""
