"""A service as a process: start and stop, settings, logs, metrics, families of errors."""
