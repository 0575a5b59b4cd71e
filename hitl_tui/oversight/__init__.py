"""Statistics, autonomy, lessons and attention checks: pure functions over what people decided."""
