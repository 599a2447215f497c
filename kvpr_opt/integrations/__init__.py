"""From a running system to a fleet, and from a placement to a running system.

``sources`` has one file for each supported input, ``targets`` one for each supported
output. Nothing here starts, stops or queries a server.
"""
