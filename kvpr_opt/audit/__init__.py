"""Honest scores for placement programs from outside, against certified optima."""
