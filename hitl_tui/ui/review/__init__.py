"""The detail pane of one review."""
