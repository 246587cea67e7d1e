"""The wires: bytes from and to messages, and nothing else. Nothing here knows the daemon."""
