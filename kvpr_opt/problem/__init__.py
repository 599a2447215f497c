"""What is asked, and an answer to it: fleets, placements, and both in exact numbers."""
