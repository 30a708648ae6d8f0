"""The policy: a file that people write. It is checked and compiled, and its rows are found by role and kind.

Only `checking` and `yaml` read YAML. They are not imported here, so that workers do not load a YAML parser.
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
