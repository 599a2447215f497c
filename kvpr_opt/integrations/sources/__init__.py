"""Input from running systems: GPUs, models on disk, demand. One file per source."""
