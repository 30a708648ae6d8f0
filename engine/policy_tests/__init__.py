"""Tests of a policy, written in YAML beside it: cases in order, and what must become of each."""
