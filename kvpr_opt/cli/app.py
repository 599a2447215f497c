"""The command line as a whole: its commands, its errors, its exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import typer

from kvpr_opt.cli import (
    audit,
    canonical,
    configure,
    evaluate,
    export,
    generate,
    headroom,
    import_fleet,
    replan,
    size,
    solve,
    study,
    verify,
    warmup,
    why,
)
from kvpr_opt.errors import KvprError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.text import printable

# Typer's exit codes when the reader of a pipe has gone, and for Ctrl-C.
_TYPER_PIPE_CLOSED, _TYPER_INTERRUPTED = 1, 130

# The exception typer raises for wrong options and arguments; it exports only subclasses.
_UsageError: Any = typer.BadParameter.__base__

# The highest of the three standard file descriptors.
_STDERR = 2

app = typer.Typer(
    name="kvpr-opt",
    help="Place language models on GPUs so that the highest KV-cache pressure ratio "
    "is as low as it can be, and prove it.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("solve")(solve.command)
app.command("verify")(verify.command)
app.command("evaluate")(evaluate.command)
app.command("replan")(replan.command)
app.command("size")(size.command)
app.command("headroom")(headroom.command)
app.command("why")(why.command)
app.command("canonical")(canonical.command)
app.command("export")(export.command)
app.command("generate")(generate.command)
app.command("import")(import_fleet.command)
app.command("configure")(configure.command)
app.command("warmup")(warmup.command)
app.command("audit")(audit.command)
app.add_typer(study.app, name="study")


@app.callback(invoke_without_command=True)
def _top(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"kvpr-opt {version_of('kvpr-opt')}")
        raise typer.Exit


def run() -> int:
    """Run the command line; the one place where errors become exit codes.

    Raises
    ------
    KeyboardInterrupt
        After a stop signal that no command has handled.
    """
    _fill_closed_descriptors()
    for stream in (sys.stdout, sys.stderr):
        # Characters that a terminal cannot show become question marks.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _exit_code_of_app()
        # Flush here: at interpreter exit, a failure could only give exit code 120.
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        return ExitCode.UNFINISHED
    except KvprError as error:
        _complain(str(error))
    except OSError as error:  # named files raise InputError instead
        name = f"{error.filename}:" if error.filename else "the output"
        _complain(f"{name} cannot be written: {error.strerror or error}")
    finally:
        _drop_what_cannot_be_written()
    return ExitCode.BAD_INPUT


def _exit_code_of_app() -> int:
    try:
        code = app(prog_name="kvpr-opt", standalone_mode=False)
    except _UsageError as error:
        return _refuse_usage(error)
    except SystemExit as stop:  # raised by typer when the reader of a pipe has gone
        return ExitCode.UNFINISHED if stop.code == _TYPER_PIPE_CLOSED else ExitCode.DONE
    if code == _TYPER_INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else ExitCode.DONE


def _refuse_usage(error: Any) -> ExitCode:
    message = str(error.format_message())
    if "\n" in message:  # the help, for a command without arguments
        error.show()
    else:
        path = error.ctx.command_path if error.ctx else "kvpr-opt"
        _complain(f"{message.rstrip('.')}; {path} --help lists what is available")
    return ExitCode.BAD_INPUT


def _complain(message: str) -> None:
    lines = [printable(line) for line in message.splitlines()]
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # there is nowhere else to report it
            print("error: " + "\n".join(lines), file=sys.stderr)


def _drop_what_cannot_be_written() -> None:
    """Empty the stream buffers, discarding their content if the disk is full.

    The interpreter would try again at exit and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _fill_closed_descriptors() -> None:
    # If a standard stream is closed at start, the next opened file would take its
    # descriptor, and solver output would end up in that file.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        continue
    os.close(descriptor)
