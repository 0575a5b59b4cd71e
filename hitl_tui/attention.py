"""Attention checks: a real call made clearly wrong, for a person to catch; it never runs. Pure."""
