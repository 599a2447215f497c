"""The exact engine: pattern LP, dive, and exhaustive search over patterns."""
