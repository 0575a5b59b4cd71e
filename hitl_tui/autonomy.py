"""The ladder: what evidence an agent's tool needs for its next level, and what it has. Pure."""
