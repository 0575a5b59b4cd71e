"""Policy: decides whether an action runs by itself, asks a person, is taken over or is denied. Only `loader` touches the disk."""
