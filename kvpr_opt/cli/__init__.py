"""The command ``kvpr-opt``: one thin file per subcommand."""

import sys

from kvpr_opt._interrupt import (
    exit_interrupted,
    ignore_stop_signals,
    release_stop_signals,
    treat_stop_signals_alike,
)

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit; a stop signal at any time ends it with a one-line message."""
    try:
        treat_stop_signals_alike()
        release_stop_signals()
        from kvpr_opt.cli.app import run

        release_stop_signals()  # also one swallowed by a module while it was loading
        code = run()
        ignore_stop_signals()
    except KeyboardInterrupt:
        exit_interrupted()
    sys.exit(code)
