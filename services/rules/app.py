"""The wiring of rules: clients are opened here, and closed in reverse order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.resources import files

from engine.explain.words import FILE as WORDS
from engine.explain.words import Sentences
from services.chassis.http.keys import Keys
from services.chassis.http.server import Health, create_app, ready, serving
from services.chassis.kafka.dead_letters import DeadLetters
from services.chassis.kafka.producer import Producer
from services.chassis.kafka.subscriber import Subscription
from services.chassis.process import failpoints
from services.chassis.process.garbage_collection import freeze_long_lived_objects
from services.chassis.process.metrics import Metrics
from services.chassis.process.run import Stop
from services.chassis.process.threads import shorten_switch_interval
from services.chassis.redis import connect
from services.rules.journal.journal import Journal
from services.rules.ledger.client import Ledger
from services.rules.ledger.counters import CounterReader
from services.rules.ledger.settings_check import check_settings
from services.rules.ledger.take_over import Fence
from services.rules.mandate.inquiry import MandateInquiry
from services.rules.mandate.route import add_routes
from services.rules.metrics import RulesMetrics
from services.rules.settings import RulesSettings
from services.rules.worker.held_partitions import HeldPartitions
from services.rules.worker.input_topics import TOPICS
from services.rules.worker.lag import LagMonitor
from services.rules.worker.settings_gate import SettingsGate
from services.rules.worker.tables import Tables
from services.rules.worker.walk import BatchDecider
from services.rules.worker.worker import Worker

GROUP = "mandaat-rules"


async def main(stop: Stop) -> None:
    """Run until told to stop."""
    settings = RulesSettings()
    shorten_switch_interval()
    failpoints.arm(settings)
    metrics, health = Metrics(), Health()
    rules_metrics = RulesMetrics(metrics)
    keys = Keys.load(settings.keys_file)
    async with AsyncExitStack() as stack:
        redis = connect(settings.redis_url.get_secret_value(), settings.redis_seconds)
        stack.push_async_callback(redis.aclose)
        tables = Tables(bootstrap=settings.kafka_bootstrap, metrics=metrics, on_bug=stop.fail)
        app = create_app("Mandaat rules", health=health, metrics=metrics)
        words = Sentences.parse(files("engine.explain").joinpath(WORDS).read_text("utf-8"))
        add_routes(app, MandateInquiry(tables, CounterReader(redis), words, lambda: datetime.now(UTC)), keys)
        await stack.enter_async_context(serving(app, settings.http_host, settings.http_port, health))
        health.ready["started"] = lambda: "not started yet"

        producer = Producer(settings.kafka_bootstrap, client_id="mandaat-rules", metrics=metrics)
        await producer.start()
        stack.push_async_callback(producer.stop)
        ledger = Ledger(redis)
        journal = Journal(settings.kafka_bootstrap, producer, metrics=metrics)
        stack.push_async_callback(journal.stop)
        gate = SettingsGate(
            lambda: check_settings(bootstrap=settings.kafka_bootstrap, redis=redis, sizes=settings.sizes)
        )
        health.ready["settings"] = gate.ready
        await gate.passed()
        await stack.enter_async_context(tables)
        freeze_long_lived_objects()

        partitions = HeldPartitions()
        letters = DeadLetters(producer, "rules", metrics)
        worker = Worker(
            decider=BatchDecider(tables, ledger, journal, letters, partitions, rules_metrics),
            ledger=ledger,
            journal=journal,
            partitions=partitions,
            fence=Fence(settings.fence_seconds, settings.clock_seconds),
            metrics=rules_metrics,
            on_bug=stop.fail,
        )
        stack.push_async_callback(worker.stop)
        subscription = Subscription(
            *TOPICS,
            bootstrap=settings.kafka_bootstrap,
            group=GROUP,
            handler=worker.on_batch,
            dead_letters=letters,
            metrics=metrics,
            on_bug=stop.fail,
            manual=True,
            on_assigned=worker.on_assigned,
            on_revoked=worker.on_revoked,
            on_idle=worker.on_idle,
            max_records=settings.batch_records,
        )
        worker.attach(subscription)
        health.alive["consumer"] = subscription.alive
        health.ready |= {
            "consumer": subscription.ready,
            "kafka": lambda: ready(producer.ping),
            "keys": keys.ready,
            "ledger": worker.ready,
            "tables": tables.ready,
        }
        await stack.enter_async_context(subscription)
        await stack.enter_async_context(
            LagMonitor(
                bootstrap=settings.kafka_bootstrap,
                ledger=ledger,
                journal=journal,
                partitions=partitions,
                subscription=subscription,
                metrics=rules_metrics,
                on_bug=stop.fail,
            )
        )
        del health.ready["started"]
        await stop.wait()
