"""CEL expressions, compiled once, evaluated at most once a case (docs/policy.md, Expressions)."""
