"""Placements with few moves: the lowest KVPR for each cost of moving, and proofs of it."""
