"""The journal: the topic of decisions, read and published by partition and sequence."""
