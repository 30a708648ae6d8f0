"""The texts of notices, in the language of the reader. Pure."""
