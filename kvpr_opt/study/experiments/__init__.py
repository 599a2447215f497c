"""Measurements that are not studies: each module is a command."""
