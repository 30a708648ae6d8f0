"""The walk of a batch, what is looked up before it, and how far behind the worker is."""
