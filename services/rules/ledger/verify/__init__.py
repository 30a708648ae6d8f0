"""Comparing the ledger with the journal, also while workers decide (docs/ledger.md, Cold start)."""

from services.rules.ledger.verify.comparison import verify
from services.rules.ledger.verify.report import LedgerDifference, VerificationReport
from services.rules.ledger.verify.shadow import SHADOW

__all__ = ["SHADOW", "LedgerDifference", "VerificationReport", "verify"]
