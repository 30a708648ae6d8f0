"""Kafka for every service: consuming in batches, reading, tables, producing, dead letters."""
