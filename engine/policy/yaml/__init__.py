"""YAML 1.2, read with the place of everything. Only the command line and policy tests read YAML."""
