"""The cost of a decision, compared with a yardstick in the same run: `make bench` (docs/speed.md)."""
