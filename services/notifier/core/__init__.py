"""What is decided about telling people: values in, values out. No await, no clock, no I/O."""
