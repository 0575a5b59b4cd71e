"""people.toml: who may decide, and as whom somebody acts."""
