"""What the console runs beside its views: the worker, live updates, key handling, errors, the external editor."""
