"""Proposals: an input judged, before the ledger has settled it; one file for each kind."""
