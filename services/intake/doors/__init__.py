"""The doors of intake: HTTP and the topic mandaat.inbound."""
