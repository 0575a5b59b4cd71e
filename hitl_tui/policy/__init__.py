"""Policy: what goes on by itself, what asks, what a person takes over, what is denied. Pure, but for `loader`, which reads policy.toml."""
