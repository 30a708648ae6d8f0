"""Tests of a policy, in a YAML file beside it: cases in order, each with its expected result."""
