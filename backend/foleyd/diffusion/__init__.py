"""The sampling loop and what it is made of: schedulers by name, noise by seed, guidance, hooks."""
