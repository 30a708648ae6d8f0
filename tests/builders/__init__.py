"""Builders of test values, one each, with good defaults: a test states only what matters to it."""
