"""Explain, in the reader's language, which mandates a person has and why a case was decided as it was.

The sentences are in words.json. The judge and the counters give the figures; nothing is judged here.
"""
