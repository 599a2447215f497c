"""The search for the optimum: bounds, incumbent, and threshold questions put to an oracle."""
