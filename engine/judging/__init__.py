"""Whether a request is within somebody's authority, and who may decide where it is not."""
