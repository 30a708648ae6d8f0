"""Who is told of an event, and over which channel. Pure."""
