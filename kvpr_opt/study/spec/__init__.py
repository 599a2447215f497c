"""The file of a study: which methods run on which fleets."""
