"""Tests of people.toml and of what people may do."""
