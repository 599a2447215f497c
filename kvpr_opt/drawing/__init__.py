"""Placements drawn: as text, as HTML, as a figure. It knows rows and numbers, and no solver."""
