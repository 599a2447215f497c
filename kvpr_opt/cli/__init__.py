"""The command ``kvpr-opt``: one thin file a command."""

import sys

from kvpr_opt._interrupt import exit_interrupted

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit; Ctrl-C at any moment ends in one line, also while loading."""
    try:
        from kvpr_opt.cli.app import run

        code = run()
    except KeyboardInterrupt:
        exit_interrupted()
    sys.exit(code)
