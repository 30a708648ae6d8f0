"""The notifier: tells customer, agent and approver what was decided, and shows where a case stands."""
