"""How a case, a withdrawal or a reply is read. Pure."""
