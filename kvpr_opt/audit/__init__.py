"""Honest scores for external placement programs, against certified optima."""
