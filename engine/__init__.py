"""Deciding, pure: values in, values out; no await, no clock, no I/O."""
