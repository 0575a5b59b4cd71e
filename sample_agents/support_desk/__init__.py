"""Answers the tickets of a lamp shop: acts when certain, asks when less certain, and calls a person when stuck."""
