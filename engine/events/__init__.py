"""Turn conclusions into events: their models, their bytes, and their effects on the ledger."""
