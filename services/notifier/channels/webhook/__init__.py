"""Webhooks: an event as it is, signed, posted to the address of a tenant."""
