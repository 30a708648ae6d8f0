"""The outside world of the local stack: a mail server and a webhook receiver that keep what they get."""
