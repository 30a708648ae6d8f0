"""The demonstration: real cases in at both doors; what comes of them is read from the topics."""
