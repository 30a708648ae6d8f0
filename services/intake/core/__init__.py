"""What intake knows: how a case or a reply is read, and what is published of it. Pure."""
