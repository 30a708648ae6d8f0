"""Kafka for every service: consuming in batches, tables, producing, dead letters."""
