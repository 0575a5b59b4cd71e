"""The lessons view (L): proposed lessons and their editor."""
