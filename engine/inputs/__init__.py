"""What comes in to be decided: read from records, checked, and ready to judge."""
