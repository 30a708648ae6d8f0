"""CEL expressions, compiled once and evaluated at most once per case (docs/policy.md, Expressions)."""
