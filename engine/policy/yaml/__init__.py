"""Read YAML 1.2 with the place of every node. Only the command line and policy tests use it."""
