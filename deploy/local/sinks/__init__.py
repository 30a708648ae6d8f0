"""A mail server and a webhook receiver for the local stack, which store what they receive."""
