"""The decision logic. It is pure: values in, values out, with no await, no clock and no I/O."""
