"""The notifier tells customers, agents and approvers what was decided, and shows where a case stands."""
