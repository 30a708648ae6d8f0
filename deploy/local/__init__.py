"""The whole stack on one machine without Docker, Java, Maven or root.

`stack.Stack` starts, stops and disturbs it; `mandaat local` and the tests are its users. Kafka is a real
Kafka (kafka/), Redis a real Valkey (valkey.py), and sinks/ stands in for the outside world: a mail server
and a webhook receiver that keep what they get.
"""
