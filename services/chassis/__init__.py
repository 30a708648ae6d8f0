"""The shared base of the services: Kafka, HTTP, logs, metrics, health. It knows no noun of the domain.

How a service is wired (`services/<name>/app.py`):

```python
async def main(stop: Stop) -> None:
    settings = Settings()                                   # ConfigurationError: one line, exit code 2
    metrics, health = Metrics(), Health()
    async with AsyncExitStack() as stack:                   # closes in reverse order
        keys = Keys.load(settings.keys_file)                # ConfigurationError: one line, exit code 2
        producer = Producer(settings.kafka_bootstrap, client_id="intake", metrics=metrics)
        await producer.start()                              # does not wait for Kafka
        stack.push_async_callback(producer.stop)
        letters = DeadLetters(producer, "intake", metrics)
        subscription = Subscription(
            INBOUND, bootstrap=settings.kafka_bootstrap, group="mandaat-intake", handler=handle,
            dead_letters=letters, metrics=metrics, on_bug=stop.fail,
        )
        await stack.enter_async_context(subscription)       # joins in the background
        health.alive["consumer"] = subscription.alive
        health.ready |= {"consumer": subscription.ready, "kafka": lambda: ready(producer.ping)}
        app = create_app("Mandaat intake", health=health, metrics=metrics)
        add_routes(app, ...)                                # routes raise HttpProblem, Unreadable or TryAgain
        await stack.enter_async_context(serving(app, settings.http_host, settings.http_port, health))
        await stop.wait()                                   # SIGTERM, SIGINT, or a bug


if __name__ == "__main__":
    run("intake", main)
```

A handler gets a `list[ConsumedRecord]` (aiokafka's ConsumerRecord: topic, partition, offset, timestamp; key
and value as bytes or None; headers as pairs of str and bytes or None). It decodes each record, and returns
when everything that it published is acknowledged (`services.chassis.kafka.subscriber.Subscription`).

| to | use |
|---|---|
| consume in a group | `kafka.subscriber.Subscription` |
| read without a group | `kafka.reader.Reader` |
| keep a compacted topic in memory | `kafka.table.Table` |
| publish | `kafka.producer.Producer` |
| repeat a step until it is done | `process.back_off.repeat_until_done` |
| decide what an error means | `process.families.family_of` |
"""
