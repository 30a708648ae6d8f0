"""The answer in the same call: callers wait here, and decisions come in from mandaat.decisions."""
