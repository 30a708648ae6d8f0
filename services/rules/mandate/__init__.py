"""What an agent may decide now, and what is left of each budget: `GET /v1/agents/{id}/mandate`."""
