"""The wiring of intake: clients are opened here, and closed in reverse order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from schemas.topics import DECISIONS, INBOUND, INBOUND_LIMIT_BYTES, event_topics_of
from services.chassis.http.keys import Keys
from services.chassis.http.server import Health, create_app, serving
from services.chassis.kafka.dead_letters import DeadLetters
from services.chassis.kafka.follower import Fetching, Follower, at_the_end
from services.chassis.kafka.producer import Producer
from services.chassis.kafka.subscriber import Subscription
from services.chassis.process import failpoints
from services.chassis.process.metrics import Metrics
from services.chassis.process.run import Stop
from services.chassis.redis import connect
from services.intake.accepting import Intake
from services.intake.answering.waiters import Waiters
from services.intake.directory import KafkaDirectory
from services.intake.doors.inbound import accept_records
from services.intake.doors.routes import DOORS, add_all_routes
from services.intake.known_requests import ANSWER_SECONDS, RedisKnownRequests
from services.intake.metrics import IntakeMetrics
from services.intake.settings import IntakeSettings

GROUP = "mandaat-intake"


async def main(stop: Stop) -> None:
    """Run intake until it is told to stop."""
    settings = IntakeSettings()
    failpoints.arm(settings)
    keys = Keys.load(settings.keys_file)
    metrics = Metrics()
    intake_metrics = IntakeMetrics(metrics, [door.name for door in DOORS])
    async with AsyncExitStack() as stack:
        redis = connect(settings.redis_url.get_secret_value(), ANSWER_SECONDS)
        stack.push_async_callback(redis.aclose)
        producer = Producer(settings.kafka_bootstrap, client_id="mandaat-intake", metrics=metrics)
        await producer.start()
        stack.push_async_callback(producer.stop)
        dead_letters = DeadLetters(producer, "intake", metrics)
        directory = KafkaDirectory(bootstrap=settings.kafka_bootstrap, metrics=metrics, on_bug=stop.fail)
        stack.push_async_callback(directory.stop)
        intake = Intake(
            publisher=producer,
            known_requests=RedisKnownRequests(redis, intake_metrics.known_requests_away),
            metrics=intake_metrics,
            directory=directory,
        )
        inbound = await stack.enter_async_context(
            Subscription(
                INBOUND,
                bootstrap=settings.kafka_bootstrap,
                group=GROUP,
                handler=partial(accept_records, intake, dead_letters),
                dead_letters=dead_letters,
                metrics=metrics,
                on_bug=stop.fail,
                max_partition_fetch_bytes=INBOUND_LIMIT_BYTES,
            )
        )
        waiters = Waiters(settings.waiters_max, settings.wait_seconds_max, intake_metrics)
        decisions = await stack.enter_async_context(
            Follower(
                DECISIONS,
                bootstrap=settings.kafka_bootstrap,
                client_id="mandaat-intake-decisions",
                name="decisions",
                begin=at_the_end,
                take=lambda record: waiters.take(record.key, record.value),
                on_bug=stop.fail,
                fetching=Fetching(most_bytes=4 * 1024 * 1024, wait_seconds=0.5),
            )
        )
        health = Health(
            alive={"inbound": inbound.alive, "decisions": decisions.alive},
            ready={
                "kafka": partial(_reach, producer),
                "joined": inbound.ready,
                "decisions": decisions.ready,
                "directory": directory.ready,
                "keys": keys.ready,
            },
        )
        app = create_app("Mandaat intake", health=health, metrics=metrics)
        add_all_routes(app, intake, keys, settings.notifier_url, waiters)
        await stack.enter_async_context(serving(app, settings.http_host, settings.http_port, health))
        stack.callback(waiters.close)  # before the server waits for its last calls
        await directory.start()  # last: while Kafka is away it waits, alive and not ready
        await stop.wait()


async def _reach(producer: Producer) -> None:
    """Check that Kafka answers and has the topics that intake writes. Raises TryAgain."""
    await producer.ping()
    for topic in event_topics_of("intake"):
        await producer.partitions(topic, timeout_seconds=2.0)
