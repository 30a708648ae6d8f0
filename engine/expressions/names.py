"""The names that an expression may use (docs/policy.md, Expressions).

An approval stores exactly these parts of a case, so that a later verdict can be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cel_expr_python import cel

FIELDS: Final[Mapping[str, Mapping[str, cel.Type]]] = MappingProxyType(
    {
        "case": {
            "case_id": cel.Type.STRING,
            "tenant": cel.Type.STRING,
            "opened_at": cel.Type.TIMESTAMP,
            "channel": cel.Type.STRING,
            "category": cel.Type.STRING,
            "subject": cel.Type.STRING,
        },
        "customer": {"id": cel.Type.STRING, "language": cel.Type.STRING},
        "agent": {
            "agent_id": cel.Type.STRING,
            "name": cel.Type.STRING,
            "role": cel.Type.STRING,
            "team": cel.Type.STRING,
            "language": cel.Type.STRING,
        },
        "request": {
            "request_id": cel.Type.STRING,
            "kind": cel.Type.STRING,
            "amount": cel.Type.DOUBLE,
            "currency": cel.Type.STRING,
            "reason": cel.Type.STRING,
            "discretion": cel.Type.BOOL,
        },
    }
)
"""Names with fixed fields. An optional field that a case lacks is absent, and its use is an error."""

OPEN: Final = ("facts", "claims")
"""Names whose fields are not fixed."""

TIME: Final = "now"

ROOTS: Final = frozenset((*FIELDS, *OPEN, TIME))

RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "in", "let", "loop"),
        *("package", "namespace", "return", "var", "void", "while", "true", "false", "null"),
        *("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint", "dyn"),
        *("has", "size"),
    )
)
"""Reserved words of CEL. No definition may have one as its name."""


def has_name(root: str, field: str) -> str:
    """The variable that replaces `has(root.field)`."""
    return f"has_{root}_{field}"


OWN: Final = frozenset(has_name(root, field) for root, fields in FIELDS.items() for field in fields)
"""Variables that only the translation uses. A policy may not name them."""


def variables() -> dict[str, cel.Type]:
    """The variables of the CEL environment, with their types."""
    declared = {f"{root}.{field}": kind for root, fields in FIELDS.items() for field, kind in fields.items()}
    declared |= dict.fromkeys(OWN, cel.Type.BOOL)
    declared |= {name: cel.Type.Map(cel.Type.STRING, cel.Type.DYN) for name in OPEN}
    declared[TIME] = cel.Type.TIMESTAMP
    return declared
