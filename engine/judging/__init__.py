"""Judge whether a request is within an agent's authority, and who may decide it if it is not."""
