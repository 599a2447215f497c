"""Studies: suites of fleets, methods to compare on them, and the record of what came out."""
