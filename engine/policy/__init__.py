"""The policy: a file that people write, checked, compiled and found by role and kind (DESIGN.md, Policy)."""

from engine.policy.book import Mandate, PolicyBook, PolicyName, Prohibition
from engine.policy.loading import CheckedPolicy, check_policy, digest_of, load_policy
from engine.policy.problems import PolicyProblem, PolicyProblems

__all__ = [
    "CheckedPolicy",
    "Mandate",
    "PolicyBook",
    "PolicyName",
    "PolicyProblem",
    "PolicyProblems",
    "Prohibition",
    "check_policy",
    "digest_of",
    "load_policy",
]
