"""The command ``kvpr-opt``: one thin file a command."""

import sys

__all__ = ["main"]

# Exit code of a run that was stopped before it was done.
_STOPPED = 3


def main() -> None:
    """Run the command line and exit; Ctrl-C at any moment ends in one line, also while loading."""
    try:
        from kvpr_opt.cli.app import run

        code = run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("interrupted before it was done", file=sys.stderr)
        code = _STOPPED
    sys.exit(code)
