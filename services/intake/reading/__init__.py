"""Reading a case, a withdrawal or a reply: bytes in, a value out. Pure."""
