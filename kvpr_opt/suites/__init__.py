"""Named sets of fleets with their certified optima."""
