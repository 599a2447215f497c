"""The exact engine: packing questions answered by patterns, the sets of models for one GPU."""
