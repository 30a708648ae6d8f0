"""Wiring: clients are born here, and die here in reverse order."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path

from jinja2 import PackageLoader

from schemas.staff import read_member
from schemas.topics import CASES, DECISIONS, STAFF
from services.chassis.http.keys import Keys
from services.chassis.http.server import Health, create_app, ready, serving
from services.chassis.kafka.dead_letters import DeadLetters
from services.chassis.kafka.producer import Producer
from services.chassis.kafka.subscriber import Subscription
from services.chassis.kafka.table import Table
from services.chassis.process import failpoints
from services.chassis.process.errors import ConfigurationError
from services.chassis.process.hosts import is_loopback
from services.chassis.process.metrics import Metrics
from services.chassis.process.run import Stop
from services.chassis.redis import connect
from services.notifier.channels.delivery import NoticeDelivery
from services.notifier.channels.mail.smtp import Mailer, Server
from services.notifier.channels.webhook.hooks_file import Hook, open_hooks
from services.notifier.channels.webhook.post import Hooks
from services.notifier.letters.letters import Letters
from services.notifier.letters.words import Words
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox.dispatcher import Dispatcher
from services.notifier.outbox.layout import Layout
from services.notifier.outbox.owned_partitions import OwnedPartitions
from services.notifier.outbox.replay import Replay
from services.notifier.outbox.retry import DONE_SET
from services.notifier.outbox.store import CALL_TIMEOUT_SECONDS, OutboxStore
from services.notifier.routes import add_routes
from services.notifier.settings import NotifierSettings
from services.notifier.walk import Notifier

GROUP = "mandaat-notifier"


async def main(stop: Stop) -> None:
    """Tells people until it is told to stop."""
    settings = NotifierSettings()
    keys = Keys.load(settings.keys_file)
    hooks_by_tenant = hooks_of(settings.webhooks_file)
    failpoints.arm(settings, {"MANDAAT_WEBHOOKS_FILE": [hook.url for hook in hooks_by_tenant.values()]})
    server = mail_server(settings)
    metrics = Metrics()
    of_notifier = NotifierMetrics(metrics)
    desk_kept = timedelta(days=settings.desk_days)
    bootstrap = settings.kafka_bootstrap
    async with AsyncExitStack() as stack:
        store = OutboxStore(
            connect(settings.redis_url.get_secret_value(), CALL_TIMEOUT_SECONDS),
            keep_seconds=round(desk_kept.total_seconds()),
            told_seconds=round(DONE_SET.total_seconds()),
        )
        stack.push_async_callback(store.close)
        producer = Producer(bootstrap, client_id="mandaat-notifier", metrics=metrics)
        await producer.start()
        stack.push_async_callback(producer.stop)
        staff = Table(
            STAFF, bootstrap=bootstrap, client_id="mandaat-staff", parse=read_member, on_bug=stop.fail
        )
        stack.push_async_callback(staff.stop)
        hooks = Hooks(hooks_by_tenant, settings.webhook_connections)
        stack.push_async_callback(hooks.close)
        replay = Replay(bootstrap, "mandaat-notifier-replay")
        stack.push_async_callback(replay.close)
        layout = Layout(producer)
        partitions = OwnedPartitions(store, replay, layout, desk_kept, of_notifier, _now)
        mailer = Mailer(server, settings.smtp_connections)
        stack.push_async_callback(mailer.close)
        sender = Dispatcher(
            store=store,
            partitions=partitions,
            publisher=producer,
            telling=NoticeDelivery(
                mail=mailer,
                webhooks=hooks,
                staff=staff,
                letters=letters(),
                sender=settings.sender,
                when_unknown=settings.language,
            ),
            metrics=of_notifier,
            give_up_after=timedelta(hours=settings.give_up_hours),
            workers={"mail": settings.smtp_connections, "webhook": settings.webhook_connections},
            tenants_with_webhook=len(hooks_by_tenant),
            clock=_now,
            on_bug=stop.fail,
        )
        await sender.start()
        stack.push_async_callback(sender.stop)
        dead_letters = DeadLetters(producer, "notifier", metrics)
        notifier = Notifier(
            store=store,
            partitions=partitions,
            sender=sender,
            dead_letters=dead_letters,
            metrics=of_notifier,
            has_webhook=hooks.has,
            desk_kept=desk_kept,
            clock=_now,
        )
        subscription = _subscription(settings, notifier, dead_letters, metrics, stop)
        await stack.enter_async_context(subscription)
        health = Health(
            alive={"consuming": subscription.alive, "sending": sender.alive},
            ready={
                "kafka": partial(_reach, producer, layout),
                "redis": partial(ready, store.ping),
                "keys": keys.ready,
                "joined": subscription.ready,
                "staff": staff.ready,
                "partitions": lambda: _missing(partitions),
            },
        )
        app = create_app("Mandaat notifier", health=health, metrics=metrics)
        add_routes(app, store, keys)
        await stack.enter_async_context(serving(app, settings.http_host, settings.http_port, health))
        await staff.start()  # last: while Kafka is away it waits, alive and not ready
        await stop.wait()


def _subscription(
    settings: NotifierSettings, notifier: Notifier, dead_letters: DeadLetters, metrics: Metrics, stop: Stop
) -> Subscription:
    return Subscription(
        CASES,
        DECISIONS,
        bootstrap=settings.kafka_bootstrap,
        group=GROUP,
        handler=notifier.handle,
        dead_letters=dead_letters,
        metrics=metrics,
        on_bug=stop.fail,
        on_assigned=notifier.on_assigned,
        on_revoked=notifier.on_revoked,
        on_idle=notifier.on_idle,
    )


def letters() -> Letters:
    """The letters of the package's templates."""
    words = files("services.notifier.letters").joinpath("templates", "words.json").read_text("utf-8")
    return Letters(PackageLoader("services.notifier.letters", "templates"), Words.parse(words))


def _now() -> datetime:
    return datetime.now(UTC)


def hooks_of(path: Path | None) -> Mapping[str, Hook]:
    """The tenants' webhooks. Raises ConfigurationError."""
    if path is None:
        return {}
    try:
        return open_hooks(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"MANDAAT_WEBHOOKS_FILE {path}: {error}") from error


def mail_server(settings: NotifierSettings) -> Server:
    """Where mail goes. Raises ConfigurationError where the login could be read on its way.

    With STARTTLS unset, a server without it gets it in clear, and so does who takes the offer out on its way.
    """
    if settings.smtp_username and not settings.smtp_starttls and not is_loopback(settings.smtp_host):
        raise ConfigurationError(
            "MANDAAT_SMTP_USERNAME: the login would go out in clear; set MANDAAT_SMTP_STARTTLS=true"
        )
    password = settings.smtp_password
    return Server(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_username,
        password.get_secret_value() if password is not None else None,
        settings.smtp_starttls,
    )


async def _reach(producer: Producer, layout: Layout) -> None:
    """Whether Kafka answers and has room in the topic that is written. Raises TryAgain."""
    await producer.ping()
    await layout.check()


def _missing(partitions: OwnedPartitions) -> str | None:
    return f"{len(partitions.missing)} partitions are being taken" if partitions.missing else None
