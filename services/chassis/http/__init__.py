"""HTTP for every service: the server, its health pages, keys of callers, problem details."""
