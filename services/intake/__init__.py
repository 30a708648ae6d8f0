"""Intake: accept what comes in, once."""
