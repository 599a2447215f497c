"""Enumeration of patterns with little waste, and exact cover by them."""
