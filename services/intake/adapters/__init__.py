"""What intake talks to, one outside system a module."""
