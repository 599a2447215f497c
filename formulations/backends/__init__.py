"""What the models share to run a solver: CP-SAT, PuLP, HiGHS, and how a run ended."""
