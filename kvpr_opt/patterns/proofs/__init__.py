"""Proofs of infeasibility: short dual vectors and trees of cases."""
