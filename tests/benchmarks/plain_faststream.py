"""The same job in its simplest form: FastStream, one message at a time, one call of Redis each.

    python -m tests.benchmarks.plain_faststream BOOTSTRAP REDIS_URL TENANT CASES OUT NUMBER

Prints what it cost from the first message on. It promises far less than rules: nothing is surely
once, and nothing can be rebuilt.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import msgpack
from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaResponse
from redis.asyncio import Redis

from tests.benchmarks.deciding import Authority
from tests.benchmarks.usage import cpu_seconds

SETTLE = """
local items = cmsgpack.unpack(ARGV[1])
if redis.call('SET', KEYS[1], '1', 'NX') == false then return -1 end
for variant, charges in ipairs(items) do
  local room = true
  for _, one in ipairs(charges) do
    if tonumber(redis.call('HGET', one[1], one[2]) or 0) + one[3] > one[4] then room = false end
  end
  if room then
    for _, one in ipairs(charges) do redis.call('HINCRBY', one[1], one[2], one[3]) end
    return variant
  end
end
return 0
"""


async def main(
    bootstrap: str, redis_url: str, tenant: str, cases: str, out: str, number: int
) -> dict[str, float]:
    """Decide some cases. Returns the cost."""
    authority, redis, done = Authority(tenant), Redis.from_url(redis_url), asyncio.Event()
    settle = redis.register_script(SETTLE)
    broker = KafkaBroker(bootstrap, logger=None, log_level=logging.ERROR)
    handled, began, cpu = 0, 0.0, 0.0

    @broker.publisher(out)
    @broker.subscriber(cases, group_id=f"plain-{tenant}", auto_offset_reset="earliest")
    async def decide(body: bytes, message: KafkaMessage) -> KafkaResponse:
        nonlocal handled, began, cpu
        if not handled:
            began, cpu = time.monotonic(), cpu_seconds()
        key = message.raw_message.key  # type: ignore[union-attr] # one message, no batch
        proposal = authority.propose(key, message.raw_message.value)  # type: ignore[union-attr] # the same
        charge_options = [
            [(one.key, one.field, one.amount, one.cap) for one in each] for each in proposal.charge_options
        ]
        chosen_option = await settle(keys=[b"known:" + key], args=[msgpack.packb(charge_options)])
        handled += 1
        if handled == number:
            done.set()
        rendered = proposal.render(time.time_ns() // 1000, int(chosen_option))
        return KafkaResponse(rendered.values[0], key=key)

    app = FastStream(broker, logger=None)
    running = asyncio.create_task(app.run())
    await done.wait()
    cost = {"cpu": cpu_seconds() - cpu, "wall": time.monotonic() - began, "records": handled}
    await asyncio.sleep(0)
    app.exit()
    await running
    await redis.aclose()
    return cost


if __name__ == "__main__":
    bootstrap, redis_url, tenant, cases, out, number = sys.argv[1:]
    found = asyncio.run(main(bootstrap, redis_url, tenant, cases, out, int(number)))
    sys.stdout.write(json.dumps(found) + "\n")
