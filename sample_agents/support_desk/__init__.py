"""Answers the tickets of a lamp shop as far as it is sure, asks where it is not, and calls a person where it is stuck."""
