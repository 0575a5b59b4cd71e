"""Ratings: the keys, the comment dialog, and the list of messages to rate."""
