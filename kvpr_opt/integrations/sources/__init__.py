"""What is read from a running system: GPUs, models on disk, demand. One file a source."""
