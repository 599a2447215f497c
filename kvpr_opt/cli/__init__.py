"""The command ``kvpr-opt``: one thin file a command."""

import sys

from kvpr_opt.leaving import leave

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit; Ctrl-C at any moment ends in one line, also while loading."""
    try:
        from kvpr_opt.cli.app import run

        code = run()
    except KeyboardInterrupt:
        leave()
    sys.exit(code)
