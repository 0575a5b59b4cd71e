"""Dumps of homes as released versions wrote them, one for each version of the schema; they are never regenerated."""
