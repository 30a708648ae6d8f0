"""The policy: a file that people write, checked, compiled, and found by role and kind.

Only `checking` and `yaml` read YAML. They are not imported here, so that workers do without it.
"""

from engine.policy.book import Mandate, PolicyBook, PolicyName, Prohibition
from engine.policy.loading import load_policy
from engine.policy.problems import PolicyProblem, PolicyProblems

__all__ = [
    "Mandate",
    "PolicyBook",
    "PolicyName",
    "PolicyProblem",
    "PolicyProblems",
    "Prohibition",
    "load_policy",
]
