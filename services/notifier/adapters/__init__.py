"""One outside system each, and no rule: mail, webhooks, Redis, Kafka."""
