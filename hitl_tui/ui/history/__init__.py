"""The history view (F3): past decisions."""
