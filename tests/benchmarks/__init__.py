"""Benchmarks as ratios of two alternated measurements: absolute times mean little on noisy machines."""
