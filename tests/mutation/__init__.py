"""Mutation testing of the engine (`make mutate`)."""
