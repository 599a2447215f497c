"""The command ``kvpr-opt``: one thin file a command."""

from kvpr_opt.cli.app import main

__all__ = ["main"]
