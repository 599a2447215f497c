"""The command ``kvpr-opt``: one thin file per subcommand."""

import sys

from kvpr_opt._interrupt import (
    exit_interrupted,
    ignore_stop_signals,
    noted,
    treat_stop_signals_alike,
)

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit; a stop signal at any moment ends it in one line."""
    try:
        treat_stop_signals_alike()
        from kvpr_opt.cli.app import run

        if noted:  # and swallowed by what was being loaded
            raise KeyboardInterrupt
        code = run()
        ignore_stop_signals()
    except KeyboardInterrupt:
        exit_interrupted()
    sys.exit(code)
