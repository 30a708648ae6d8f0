"""The same job in Quix Streams, with its state, in an environment of its own (requirements-quix.txt).

    python -m tests.benchmarks.quix BOOTSTRAP TENANT CASES OUT NUMBER

Its state is by the key of the record, here the case: it knows a request again, and counts for that case only.
A budget of an agent would need the stream keyed anew by agent, one of a customer once more.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found,unused-ignore] # in its own environment

from engine.judging.budgets import Counters
from tests.benchmarks.deciding import Authority
from tests.benchmarks.usage import cpu_seconds


def main(bootstrap: str, tenant: str, cases: str, out: str, number: int) -> dict[str, float]:
    """Decide some cases. Returns the cost."""
    authority = Authority(tenant)
    cost = {"cpu": 0.0, "wall": 0.0, "records": 0}

    def decide(value: bytes, key: bytes, _timestamp: int, _headers: Any, state: Any) -> bytes:
        if not cost["records"]:
            cost["cpu"], cost["wall"] = cpu_seconds(), time.monotonic()
        cost["records"] += 1
        proposal = authority.propose(key, value)
        counters = Counters()
        counters.add([(k, f, int(n)) for k, f, n in state.get("charged", [])])
        chosen_option, used = counters.settle(proposal.charge_options, proposal.probes)
        if chosen_option:
            state.set(
                "charged",
                [(one.key, one.field, one.amount) for one in proposal.charge_options[chosen_option - 1]],
            )
        state.set("known", True)
        return proposal.render(time.time_ns() // 1000, chosen_option, used).values[0]

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=bootstrap,
            consumer_group=f"quix-{tenant}",
            auto_offset_reset="earliest",
            auto_create_topics=True,
            state_dir=folder,
            loglevel="ERROR",
        )
        source = app.topic(cases, key_deserializer="bytes", value_deserializer="bytes")
        target = app.topic(out, key_serializer="bytes", value_serializer="bytes")
        app.dataframe(source).apply(decide, stateful=True, metadata=True).to_topic(target)
        app.run(count=number, timeout=120.0, collect=False)
    return {
        "cpu": cpu_seconds() - cost["cpu"],
        "wall": time.monotonic() - cost["wall"],
        "records": cost["records"],
    }


if __name__ == "__main__":
    bootstrap, tenant, cases, out, number = sys.argv[1:]
    done = main(bootstrap, tenant, cases, out, int(number))
    sys.stdout.write(json.dumps(done) + "\n")
