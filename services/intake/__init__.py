"""Intake: accept cases, withdrawals and replies, and publish them."""
