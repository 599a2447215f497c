"""Heuristics that a user has written: their two contracts, and the one loader for both."""
