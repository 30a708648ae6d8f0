"""A stream of cases with repeats, conflicts and verdicts, and the check of what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.chassis.kafka.producer import Outgoing
from services.chassis.process.errors import TryAgain
from tests.integration.rules.input_sender import InputSender, RecordPosition
from tests.integration.rules.journal_watch import JournalEvent, JournalWatch, assert_promises_kept
from tests.waiting import eventually

CHUNK = 20


@dataclass
class Load:
    """Sends `number` cases; every approval that opens is answered, some twice, some with a conflict.

    Of three cases two are escalated; every tenth is sent again, every twentieth with another amount.
    """

    sender: InputSender
    watch: JournalWatch
    number: int
    per_second: float = 250.0
    sent: int = 0
    conflicts: list[RecordPosition] = field(default_factory=list)
    _answered: set[str] = field(default_factory=set)
    _read: int = 0

    async def run(self) -> None:
        """Send everything, and answer the approvals that open meanwhile."""
        for first in range(0, self.number, CHUNK):
            numbers = range(first, min(first + CHUNK, self.number))
            await self._send(
                [self._case(n) for n in numbers] + [self._case(n) for n in numbers if n % 10 == 0]
            )
            self.conflicts += await self._send(
                [self.sender.case(f"c-{n}", amount="77.00") for n in numbers if n % 20 == 7]
            )
            self.sent += len(numbers)
            await self._answer()
            await asyncio.sleep(CHUNK / self.per_second)  # the pace of the load, not a wait for anything

    async def all_done(self, seconds: float) -> None:
        """Wait until every request is decided, every approval answered and every conflict a dead letter."""
        await self.watch.until(self._done, seconds=seconds, what=f"everything done; {self._missing()}")
        await self.watch.to_the_end()
        assert_promises_kept(self.watch.all)
        letters = Counter(letter.place for letter in self.watch.letters if self._ours(letter.key))
        assert letters.keys() == set(self.conflicts)
        assert {letter.reason for letter in self.watch.letters if self._ours(letter.key)} == {"conflict"}
        decided = {one.event["subject"]: one.event["data"] for one in self._firsts()}
        for n in range(self.number):
            assert decided[f"c-{n}"]["amount"] == self._amount(n)
            assert decided[f"c-{n}"]["outcome"] == ("approved" if n % 3 == 0 else "escalated")

    def _case(self, n: int) -> Outgoing:
        return self.sender.case(f"c-{n}", amount=self._amount(n))

    def _amount(self, n: int) -> str:
        return "12.00" if n % 3 == 0 else "45.00"

    async def _send(self, records: list[Outgoing]) -> list[RecordPosition]:
        """Send again what was not acknowledged, as intake does."""
        while records:
            try:
                return await self.sender.send(*records)
            except TryAgain:
                await asyncio.sleep(0.2)
        return []

    async def _answer(self) -> None:
        await self.watch.look()
        fresh, self._read = self.watch.all[self._read :], len(self.watch.all)
        verdicts: list[Outgoing] = []
        for one in fresh:
            case_id = str(one.event.get("subject"))
            opened = one.kind == "approval.requested" and self._ours(one.key)
            if opened and case_id not in self._answered:
                self._answered.add(case_id)
                verdicts += self._verdicts(case_id)
        places = await self._send(verdicts)
        self.conflicts += [
            place for place, said in zip(places, verdicts, strict=True) if self._conflicts(said)
        ]

    def _verdicts(self, case_id: str) -> list[Outgoing]:
        n = int(case_id.removeprefix("c-"))
        said = [self.sender.verdict(case_id, "reject" if n % 7 == 0 else "approve")]
        if n % 5 == 0:
            said.append(said[0])
        if n % 11 == 0:
            said.append(self.sender.verdict(case_id, reply_id="reply-late"))
        if n % 13 == 0:
            said.append(self.sender.verdict(case_id, amount="1.00"))
        return said

    @staticmethod
    def _conflicts(record: Outgoing) -> bool:
        return b'"amount": "1.00"' in (record.value or b"")

    def _ours(self, key: bytes | None) -> bool:
        return key is not None and key.startswith(f"{self.sender.tenant}/".encode())

    def _firsts(self) -> list[JournalEvent]:
        return [
            one
            for one in self.watch.events
            if one.kind.startswith("decision.") and not one.event["data"]["decided_by"]
        ]

    async def _done(self) -> bool:
        await self._answer()
        return not self._missing()

    def _missing(self) -> str:
        decided = {one.event["subject"] for one in self._firsts()}
        closed = {one.event["subject"] for one in self.watch.events if one.kind == "approval.closed"}
        escalated = {f"c-{n}" for n in range(self.number) if n % 3}
        written = {letter.place for letter in self.watch.letters}
        counts = {
            "not decided": self.number - len(decided),
            "not closed": len(escalated - closed),
            "not written down": len(set(self.conflicts) - written),
        }
        return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


@asynccontextmanager
async def under_load(
    sender: InputSender, watch: JournalWatch, number: int, per_second: float = 250.0
) -> AsyncIterator[Load]:
    """Send cases while the block runs; afterwards check what became of them."""
    load = Load(sender, watch, number, per_second)
    sending = asyncio.create_task(load.run())
    try:
        yield load
        await sending
    finally:
        sending.cancel()
    await load.all_done(seconds=60.0)


async def until_sent(load: Load, number: int) -> None:
    """Wait until so many cases were sent."""
    await eventually(lambda: load.sent >= number, seconds=60.0, what=f"{number} cases sent")


async def in_thread(step: Callable[..., object], *arguments: object) -> object:
    """Run a blocking call in a thread, so that the load goes on."""
    return await asyncio.to_thread(step, *arguments)
