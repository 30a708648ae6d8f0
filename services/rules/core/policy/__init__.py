"""The policy: a file that people write, checked, compiled and found by role and kind (DESIGN.md, Policy)."""

from services.rules.core.policy.book import Mandate, PolicyBook, PolicyName, Prohibition
from services.rules.core.policy.loading import CheckedPolicy, check_policy, digest_of, load_policy
from services.rules.core.policy.problems import PolicyProblems, Problem

__all__ = [
    "CheckedPolicy",
    "Mandate",
    "PolicyBook",
    "PolicyName",
    "PolicyProblems",
    "Problem",
    "Prohibition",
    "check_policy",
    "digest_of",
    "load_policy",
]
