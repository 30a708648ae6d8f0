"""Where cases, withdrawals and replies come in."""
