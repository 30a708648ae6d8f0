"""Reads YAML so that every value knows the line and column it was written at."""
