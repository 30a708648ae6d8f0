"""Wiring: clients are made here, and closed here in reverse order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files

from jinja2 import PackageLoader

from schemas.staff import read_member
from schemas.topics import POLICIES, STAFF
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
from services.notifier.case_reader import CaseReader
from services.notifier.channels.channel import Channel
from services.notifier.channels.contacts import Contacts
from services.notifier.channels.mail.channel import MailChannel
from services.notifier.channels.mail.sender import Senders, watch_senders
from services.notifier.channels.mail.smtp import Mailer, Server
from services.notifier.channels.webhook.channel import WebhookChannel
from services.notifier.channels.webhook.hooks_file import Hook, watch_hooks
from services.notifier.channels.webhook.post import Hooks
from services.notifier.failures import FailedRecords
from services.notifier.letters.kind_labels import LabelTable, read_labels
from services.notifier.letters.letter_writer import LetterWriter
from services.notifier.letters.words import Words
from services.notifier.metrics import NotifierMetrics
from services.notifier.outbox.dispatcher import Dispatcher
from services.notifier.outbox.layout import Layout
from services.notifier.outbox.owned_partitions import OwnedPartitions
from services.notifier.outbox.replay import Replay
from services.notifier.outbox.retry import NOTICES_REMEMBERED
from services.notifier.outbox.store import CALL_TIMEOUT_SECONDS, OutboxStore
from services.notifier.routes import add_routes
from services.notifier.settings import NotifierSettings
from services.notifier.walk import SUBSCRIBED, Notifier, topics_of

GROUP = "mandaat-notifier"


async def main(stop: Stop) -> None:
    """Run the notifier until it must stop."""
    settings = NotifierSettings()
    keys = Keys.load(settings.keys_file)
    hooks = watch_hooks(settings.webhooks_file)
    failpoints.arm(settings, {"MANDAAT_WEBHOOKS_FILE": [hook.url for hook in hooks().values()]})
    server = mail_server(settings)
    senders = watch_senders(settings.senders_file, settings.sender)
    metrics = Metrics()
    of_notifier = NotifierMetrics(metrics)
    case_files_kept = timedelta(days=settings.case_file_days)
    bootstrap = settings.kafka_bootstrap
    async with AsyncExitStack() as stack:
        staff = Table(
            STAFF,
            bootstrap=bootstrap,
            client_id="mandaat-staff",
            metrics=metrics,
            parse=read_member,
            on_bug=stop.fail,
        )
        labels = Table(
            POLICIES,
            bootstrap=bootstrap,
            client_id="mandaat-notifier-policies",
            metrics=metrics,
            parse=read_labels,
            on_bug=stop.fail,
            parse_in_thread=True,
        )
        contacts = Contacts(staff, settings.language)
        channels = open_channels(settings, server, hooks, contacts, labels, senders)
        store = OutboxStore(
            connect(settings.redis_url.get_secret_value(), CALL_TIMEOUT_SECONDS),
            [channel.name for channel in channels],
            keep_seconds=round(case_files_kept.total_seconds()),
            remember_seconds=round(NOTICES_REMEMBERED.total_seconds()),
        )
        stack.push_async_callback(store.close)
        producer = Producer(bootstrap, client_id="mandaat-notifier", metrics=metrics)
        await producer.start()
        stack.push_async_callback(producer.stop)
        stack.push_async_callback(staff.stop)
        stack.push_async_callback(labels.stop)
        for channel in channels:
            stack.push_async_callback(channel.close)
        replay = Replay(bootstrap, "mandaat-notifier-replay")
        stack.push_async_callback(replay.close)
        layout = Layout(producer)
        partitions = OwnedPartitions(store, replay, layout, topics_of(case_files_kept), of_notifier, _now)
        dispatcher = Dispatcher(
            store=store,
            partitions=partitions,
            publisher=producer,
            channels=channels,
            metrics=of_notifier,
            give_up_after=timedelta(hours=settings.give_up_hours),
            clock=_now,
            on_bug=stop.fail,
        )
        await dispatcher.start()
        stack.push_async_callback(dispatcher.stop)
        dead_letters = DeadLetters(producer, "notifier", metrics)
        notifier = Notifier(
            store=store,
            partitions=partitions,
            dispatcher=dispatcher,
            dead_letters=dead_letters,
            metrics=of_notifier,
            channels_of=lambda tenant: [one.name for one in channels if one.serves(tenant)],
            case_files_kept=case_files_kept,
            clock=_now,
        )
        subscription = _subscription(settings, notifier, dead_letters, metrics, stop)
        await stack.enter_async_context(subscription)
        health = Health(
            alive={"consuming": subscription.alive, "sending": dispatcher.alive},
            ready={
                "kafka": partial(_reach, producer, layout),
                "redis": partial(ready, store.ping),
                "keys": keys.ready,
                "joined": subscription.ready,
                "staff": staff.ready,
                "policies": labels.ready,
                "partitions": lambda: _missing(partitions),
            },
        )
        app = create_app("Mandaat notifier", health=health, metrics=metrics)
        ends = Replay(bootstrap, "mandaat-notifier-ends")
        stack.push_async_callback(ends.close)
        failures = FailedRecords(bootstrap, kept=case_files_kept, clock=_now, on_bug=stop.fail)
        failures.start()
        stack.push_async_callback(failures.stop)
        add_routes(app, CaseReader(store, failures.of, producer.partitions, ends.bounds), keys)
        await stack.enter_async_context(serving(app, settings.http_host, settings.http_port, health))
        await asyncio.gather(staff.start(), labels.start())  # last: while Kafka is away they wait
        await stop.wait()


def open_channels(
    settings: NotifierSettings,
    server: Server,
    hooks: Callable[[], Mapping[str, Hook]],
    contacts: Contacts,
    labels: LabelTable,
    senders: Senders,
) -> list[Channel]:
    """Every channel, one line each."""
    mail, webhooks = settings.smtp_connections, settings.webhook_connections
    return [
        MailChannel(Mailer(server, mail), contacts, letter_writer(), labels, senders, mail),
        WebhookChannel(Hooks(hooks, webhooks), hooks, webhooks),
    ]


def _subscription(
    settings: NotifierSettings, notifier: Notifier, dead_letters: DeadLetters, metrics: Metrics, stop: Stop
) -> Subscription:
    return Subscription(
        *SUBSCRIBED,
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


def letter_writer() -> LetterWriter:
    """The writer of the letters in the package's templates."""
    words = files("services.notifier.letters").joinpath("templates", "words.json").read_text("utf-8")
    return LetterWriter(PackageLoader("services.notifier.letters", "templates"), Words.parse(words))


def _now() -> datetime:
    return datetime.now(UTC)


def mail_server(settings: NotifierSettings) -> Server:
    """The mail server. Raises ConfigurationError where others could read the login on its way.

    With STARTTLS unset, a server without it gets the login in clear. So does a server whose offer of STARTTLS
    somebody on the way took out.
    """
    if settings.smtp_username and not settings.smtp_starttls and not is_loopback(settings.smtp_host):
        raise ConfigurationError(
            "MANDAAT_SMTP_USERNAME: the login would be sent unencrypted; set MANDAAT_SMTP_STARTTLS=true"
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
    """Ask Kafka whether it is there and mandaat.notices has enough partitions. Raises TryAgain."""
    await producer.ping()
    await layout.check()


def _missing(partitions: OwnedPartitions) -> str | None:
    return f"{len(partitions.missing)} partitions are still being taken" if partitions.missing else None
