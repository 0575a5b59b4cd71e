"""The queue view (F1): what waits for a decision, and the keys that decide."""
