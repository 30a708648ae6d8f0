"""The small common ground of the services: Kafka, HTTP, logs, metrics, health. It knows no domain noun.

How a service is wired (`services/<name>/app.py`):

```python
async def main(stop: Stop) -> None:
    settings = Settings()                                   # ValidationError -> one line, exit 2
    metrics, health = Metrics(), Health()
    async with AsyncExitStack() as stack:                   # closes in reverse order
        keys = Keys.load(settings.keys_file)                # ConfigurationError -> one line, exit 2
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
        add_routes(app, ...)                                # raise Problem, Unreadable or TryAgain in them
        await stack.enter_async_context(serving(app, settings.http_host, settings.http_port, health))
        await stop.wait()                                   # SIGTERM, SIGINT, or a bug

if __name__ == "__main__":
    run("intake", main)
```

A handler gets `list[Record]` (aiokafka's ConsumerRecord: topic, partition, offset, timestamp, key and value
as bytes or None, headers as (str, bytes or None)), decodes each by itself, and returns when everything is
acknowledged; see `services.chassis.kafka.subscriber.Subscription`.
"""
