"""Statistics, autonomy levels, lessons and attention checks: pure functions over past decisions."""
