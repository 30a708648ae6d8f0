"""Taking unconfirmed rounds off the values of a ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgpack

from services.rules.ledger.verify.keys import Values


def without_pending(values: Values, pending: Iterable[bytes | None]) -> Values:
    """The same values without the charges and index entries of unconfirmed rounds."""
    entries: set[tuple[str, bytes]] = set()
    charged: defaultdict[tuple[str, bytes], int] = defaultdict(int)
    for one in pending:
        for kind, arguments in _undo(one):
            if kind == b"i":
                entries.add((f"i:{arguments[0].decode()}", arguments[1]))
            else:
                charged[f"b:{arguments[0].decode()}", arguments[1]] += arguments[2]
    result: Values = {}
    for name, hash_ in values.items():
        result[name] = {one: value for one, value in hash_.items() if (name, one) not in entries}
    for (name, one), amount in charged.items():
        if name in result and one in result[name]:
            left = int(result[name].pop(one)) - amount
            if left:
                result[name][one] = b"%d" % left
    return result


def _undo(pending: bytes | None) -> Iterable[tuple[bytes, list[Any]]]:
    """The writes of a round: the arguments, then the kind; read from the end, as the script does."""
    arity = {b"i": 2, b"c": 3}
    undo: list[Any] = [] if pending is None else msgpack.unpackb(pending[7:], raw=True)
    while undo:
        count = arity[undo[-1]]
        yield undo[-1], undo[-1 - count : -1]
        del undo[-1 - count :]
