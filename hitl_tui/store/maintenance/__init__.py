"""Upkeep of the database: integrity checks, repair, recovery of damaged files, pruning."""
