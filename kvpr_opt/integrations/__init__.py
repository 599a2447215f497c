"""From a running system to a fleet, and from a placement to a running system.

``sources`` has one file for each thing that can be read, ``targets`` one for each
thing that can be written. Nothing here starts, stops or asks a server.
"""
