"""Expressions of a policy: CEL, compiled once, evaluated at most once a case (DESIGN.md, Policy 5)."""
