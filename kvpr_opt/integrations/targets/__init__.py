"""Configuration for running systems: launch lists, units, manifests. One file per target."""
