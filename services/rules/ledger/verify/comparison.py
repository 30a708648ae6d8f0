"""The comparison of the ledger with the journal.

The journal is replayed into a shadow. Then the keys of the ledger are read, some at a time, each time at one
moment with the position of every partition and with what is pending. The shadow is replayed to exactly these
positions, what is pending is taken off, and both must be equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from services.chassis.process.errors import TryAgain
from services.rules.journal.journal import Journal
from services.rules.ledger.protocol import EffectsOf, read_entry
from services.rules.ledger.script import PREFIX
from services.rules.ledger.verify.keys import KINDS, Chunk, LedgerKeys
from services.rules.ledger.verify.pending import without_pending
from services.rules.ledger.verify.report import LedgerDifference, VerificationReport
from services.rules.ledger.verify.shadow import Progress, Shadow


async def verify(
    *, redis: Redis, journal: Journal, effects_of: EffectsOf, progress: Progress, prefix: str = PREFIX
) -> VerificationReport:
    """Compare all.

    Raises TryAgain: Redis or Kafka is away, the ledger is empty, or it was put back meanwhile. Then nobody
    knows whether they are equal.
    """
    shadow = Shadow(redis, journal, effects_of, progress)
    try:
        return await _Comparison(LedgerKeys(redis, prefix), journal, shadow, progress).run()
    finally:
        await shadow.remove()


class _Comparison:
    def __init__(self, ledger: LedgerKeys, journal: Journal, shadow: Shadow, progress: Progress) -> None:
        self._ledger = ledger
        self._journal = journal
        self._shadow = shadow
        self._progress = progress
        self._report = VerificationReport()
        self._keys = 0
        self._complete: set[int] = set()
        """Hashes of the names of keys that were compared with all their fields: there may be millions."""

    async def run(self) -> VerificationReport:
        await self._shadow.begin()
        start = await self._ledger.moment({})
        if await self._is_possible(start.positions):
            await self._shadow.lay(len(start.positions))
            await self._shadow.advance(start.positions)
            await self._compare_sequence(start.meta)
            await self._compare_all()
            self._report.records = self._shadow.records
        return self._report

    async def _is_possible(self, positions: Sequence[int]) -> bool:
        """Whether the journal reaches these positions. If not, that is the difference."""
        partitions = await self._journal.partitions()
        if partitions != len(positions):
            self._report.add(LedgerDifference("meta", "partitions", str(len(positions)), str(partitions)))
            return False
        for p, (first, end) in (await self._journal.bounds(range(partitions))).items():
            if first > 0:
                raise TryAgain(
                    f"partition {p} of the journal begins at {first}: it cannot be replayed from 0"
                )
            if positions[p] > end:
                self._report.add(LedgerDifference("meta", f"pos:{p}", str(positions[p]), f"ends at {end}"))
        return not self._report.differences

    async def _compare_sequence(self, meta: Mapping[bytes, bytes]) -> None:
        """The ledger's sequence must not be lower than the journal's: workers would use a sequence twice."""
        newest, found = await self._shadow.keys.newest_sequence(), meta.get(b"seq")
        if int(found or 0) < newest:
            said = None if found is None else found.decode()
            self._report.add(LedgerDifference("meta", "seq", said, f"at least {newest}"))

    async def _compare_all(self) -> None:
        async for chunk in self._ledger.chunks(self._unknown):
            await self._compare(chunk)
            self._complete.update(hash(name) for name, fields in chunk.items() if not fields)
        async for chunk in self._shadow.keys.chunks(self._unknown):
            rest = {name: fields for name, fields in chunk.items() if hash(name) not in self._complete}
            # By the fields of the shadow: a hash that is large in the ledger is not read in one go.
            if named := await self._shadow.keys.with_fields(rest):
                await self._compare(named, again=True)

    async def _compare(self, chunk: Chunk, *, again: bool = False) -> None:
        moment = await self._ledger.moment(chunk)
        await self._shadow.advance(moment.positions)
        expected = await self._shadow.keys.values(chunk)
        confirmed = without_pending(moment.values, moment.pending)
        for name in chunk:
            self._compare_key(name, confirmed[name], expected[name])
            if not again:
                kind = KINDS[name.partition(":")[0]]
                self._report.compared[kind] += len(confirmed[name].keys() | expected[name].keys())
        self._keys += len(chunk)
        self._progress("keys", self._keys, None)

    def _compare_key(self, name: str, ledger: Mapping[bytes, bytes], journal: Mapping[bytes, bytes]) -> None:
        if ledger == journal:
            return
        kind = name.partition(":")[0]
        for one in sorted(ledger.keys() | journal.keys()):
            if ledger.get(one) != journal.get(one):
                found, expected = _readable(kind, ledger.get(one)), _readable(kind, journal.get(one))
                self._report.add(LedgerDifference(name, one.decode(errors="replace"), found, expected))

    def _unknown(self, name: str) -> None:
        self._report.add(LedgerDifference(name, "", "a key that is not of the ledger", None))


def _readable(kind: str, value: bytes | None) -> str | None:
    if value is None:
        return None
    if kind == "i":
        entry = read_entry(value)
        return f"digest {entry.digest}, sequence {entry.seq}"
    return value.decode(errors="replace")
