"""What is written for a running system: launch lists, units, manifests. One file a target."""
