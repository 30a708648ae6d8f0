"""Explain, in the reader's language, what somebody may decide and why a case was decided as it was.

The sentences are in words.json. Nothing here judges: the judge and the counters give the figures.
"""
