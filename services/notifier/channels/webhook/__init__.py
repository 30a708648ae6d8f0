"""Webhooks: events that are signed and posted to the address of a tenant."""
