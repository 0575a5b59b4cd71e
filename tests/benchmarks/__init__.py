"""Ratios of two things measured in one run, alternated: these machines are noisy, an absolute time says nothing."""
