"""Running a load: sending it, answering approvals, waiting for its end, and checking the promises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.stack import Stack
from tests.audit.evidence import Evidence
from tests.audit.promises import audit, totals
from tests.audit.topics import CASES, POLICIES, REPLIES, Reader, Record
from tests.builders.policies import a_policy_record
from tests.faults.ledger.competing_requests import CompetingRequests, Message
from tests.waiting import eventually

GROUP = "mandaat-rules"
HEADERS = [("content-type", b"application/cloudevents+json")]
CHUNK = 20
SETTLED_SECONDS = 120.0


class LoadRun:
    """The load of one tenant on a stack, sent evenly over some seconds."""

    def __init__(self, stack: Stack, requests: CompetingRequests, seconds: float = 6.0) -> None:
        self.stack = stack
        self.requests = requests
        self.sent = 0
        self.reader = Reader(stack.bootstrap)
        self._seconds = seconds
        self.whole = len(requests.messages())
        """The number of records to send."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=stack.bootstrap, acks="all", enable_idempotence=True, linger_ms=2
        )
        self._answered: set[str] = set()

    async def __aenter__(self) -> LoadRun:
        await self._producer.start()
        await self.reader.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()
        await self.reader.__aexit__()

    async def open(self) -> None:
        """Activate the policy and hire the staff."""
        await self.activate(self.requests.policy())
        for person in self.requests.staff():
            await self.put("mandaat.staff", f"{person['tenant']}/{person['agent_id']}", person)

    async def activate(self, policy: dict[str, Any]) -> None:
        """Publish a version of the policy."""
        text = json.dumps(policy)
        record = a_policy_record(text)
        for key in (policy["policy"], f"{policy['policy']}/{record['digest']}"):
            await self.put(POLICIES, key, record)

    async def put(self, topic: str, key: str, value: dict[str, Any]) -> None:
        """Publish one record of a table."""
        await self._producer.send_and_wait(topic, json.dumps(value).encode(), key=key.encode())

    async def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Append all messages. Those that are not acknowledged are sent again, as a careful caller does."""
        left = list(messages)
        while left:
            sends = [
                await self._producer.send(topic, one.value, key=one.key, headers=HEADERS) for one in left
            ]
            ended = await asyncio.gather(*sends, return_exceptions=True)
            failed = [error for error in ended if isinstance(error, BaseException)]
            assert all(isinstance(error, KafkaError) for error in failed), failed
            left = [one for one, error in zip(left, ended, strict=True) if isinstance(error, BaseException)]

    async def run(self) -> None:
        """Send everything at a steady rate, and answer approvals meanwhile."""
        messages = self.requests.messages()
        for first in range(0, len(messages), CHUNK):
            chunk = messages[first : first + CHUNK]
            await self.send(CASES, chunk)
            self.sent += len(chunk)
            await self.answer(await self.reader.read_on(timeout_ms=1))
            # This sets the rate of the load; it waits for nothing.
            await asyncio.sleep(self._seconds * len(chunk) / self.whole)

    async def wait_until_sent(self, share: float) -> None:
        """Wait until this share of the records was sent."""
        number = share * self.whole
        await eventually(lambda: self.sent >= number, seconds=300.0, what=f"{number:.0f} records sent")

    async def answer(self, fresh: Sequence[Record]) -> int:
        """Answer each new approval of the tenant once. Returns the number of replies."""
        replies: list[Message] = []
        for record in fresh:
            if b'"mandaat.approval.requested.v1"' not in (record.value or b""):
                continue
            event = json.loads(record.value or b"")
            if event["tenant"] == self.requests.tenant and event["id"] not in self._answered:
                self._answered.add(event["id"])
                replies += self.requests.answers(event["data"]["approval"])
        if replies:
            await self.send(REPLIES, replies)
        return len(replies)

    async def wait_until_settled(self, seconds: float = SETTLED_SECONDS, *, answering: bool = True) -> None:
        """Wait until rules has committed all cases and replies, and no approval is left to answer."""

        async def quiet() -> bool:
            if not await self._committed():
                return False
            fresh = await self.reader.read_to_the_end()
            return not answering or not await self.answer(fresh)

        await eventually(quiet, seconds=seconds, what="all that came in is decided, and committed")
        await eventually(self._nothing_pending, what="nothing pending")

    async def _committed(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.stack.bootstrap)
        try:
            await admin.start()
            committed = await admin.list_consumer_group_offsets(GROUP)
            at = {tp: one.offset for tp, one in committed.items()}
        except KafkaError:
            return False
        finally:
            await admin.close()
        ends = await self.reader.ends(CASES, REPLIES)
        return all(at.get(TopicPartition(*tp), 0) >= end for tp, end in ends.items())

    def _nothing_pending(self) -> bool:
        with redis.Redis.from_url(self.stack.redis_url) as store:
            try:
                return not list(store.scan_iter("{L0}:pend:*"))
            except redis.RedisError:
                return False

    def findings(self) -> list[str]:
        """The broken promises."""
        return audit(self.reader.topics, self.requests.tenant)

    def evidence(self) -> Evidence:
        """The records of the tenant, sorted."""
        return Evidence(self.reader.topics, self.requests.tenant)

    def check_promises(self) -> None:
        """Fail unless every promise is kept and the counters are the sums of the journal's charges."""
        findings = self.findings()
        assert not findings, "\n".join(findings)
        evidence = self.evidence()
        counted, due = self.counters(), totals(evidence).counters()
        assert counted == due, {key: (counted.get(key), due.get(key)) for key in counted | due
                                if counted.get(key) != due.get(key)}  # fmt: skip

    def check_competition(self) -> None:
        """The same; also fail unless many requests were granted, and many exhausted a budget."""
        self.check_promises()
        evidence = self.evidence()
        decided = [one.data for found in evidence.decisions.values() for one in found]
        outcomes = [one["outcome"] for one in decided]
        short = [one for one in decided for why in one["reasons"] if why["code"] == "budget_exhausted"]
        assert outcomes.count("approved") > self.requests.number / 5
        assert outcomes.count("escalated") > self.requests.number / 10
        assert len(short) > self.requests.number / 10

    def sequences(self) -> list[int]:
        """The sequences of all published events, in order."""
        return sorted({one.sequence for one in self.evidence().events})

    def counters(self) -> dict[str, dict[str, int]]:
        """The counters of the tenant in Redis."""
        with redis.Redis.from_url(self.stack.redis_url, decode_responses=True) as store:
            keys = sorted(store.scan_iter(f"{{L0}}:b:{self.requests.tenant}|*", count=1000))
            return {
                key.removeprefix("{L0}:b:"): {
                    field: int(value) for field, value in store.hgetall(key).items()
                }
                for key in keys
            }


@asynccontextmanager
async def running(load: LoadRun) -> AsyncIterator[LoadRun]:
    """Run the load while the block runs, and wait for its end afterwards."""
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        yield load
    await load.wait_until_settled()
