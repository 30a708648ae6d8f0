"""The canonical JSON of a policy, and its digest (RFC 8785, the JSON Canonicalization Scheme)."""

from __future__ import annotations

from hashlib import sha256

import rfc8785

from engine.policy.tree import Plain


def canonical_json(document: Plain) -> str:
    """The document as RFC 8785 writes it.

    It keeps the order of lists, and the difference between one value and a list of one value. It drops
    comments, layout, the order of keys and the spelling of numbers.
    """
    return rfc8785.dumps(document).decode()


def digest_of(canonical: str) -> str:
    """sha256 of the canonical JSON of a policy, in hexadecimal."""
    return sha256(canonical.encode()).hexdigest()
