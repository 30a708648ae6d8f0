"""What each kind of input may come to, before the ledger has settled it: one file a kind."""
