"""Soak test: hundreds of runs with every kind of pause, several reviewers and killed processes; then every invariant must hold."""
