"""Plans notices: the recipients of an event and their channels. Pure."""
