"""The whole stack on one machine without Docker, Java, Maven or root.

`stack.Stack` starts and stops it, for `mandaat local` and for tests. Kafka is a real Kafka (kafka/), and
Redis a real Valkey (valkey.py). sinks/ has a mail server and a webhook receiver that store what they receive.
"""
