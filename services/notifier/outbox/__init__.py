"""The outbox: notices wait here in Redis until they are sent, and are tried again until they end."""
