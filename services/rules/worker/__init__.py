"""The worker: the walk of a batch, the ownership of partitions, and the measuring of lag."""
