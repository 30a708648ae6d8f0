"""Proposals: judged inputs that the ledger has not settled yet. Each kind is one module."""
