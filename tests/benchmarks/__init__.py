"""What a decision costs, each against its yardstick in the same run: `make bench` (docs/speed.md)."""
