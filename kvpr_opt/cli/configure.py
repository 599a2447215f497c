"""``kvpr-opt configure``: write a placement as configuration for the serving software."""

from __future__ import annotations

import os
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from kvpr_opt.cli.console import remark_console
from kvpr_opt.cli.options import Fleet, check_apart, read_fleet
from kvpr_opt.errors import InputError
from kvpr_opt.files import check_writable, read_result, write_text
from kvpr_opt.files.checkpoints.folder import folders, name_of, read_checkpoint
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.integrations.placed import placed
from kvpr_opt.integrations.targets.registry import TARGETS, settings_of

#: The choices of ``--for``.
Stack = Enum("Stack", {name: name for name in TARGETS}, type=str)  # type: ignore[misc]

_SETTINGS = "; ".join(
    f"{name}: {', '.join(f'{key} ({setting.default})' for key, setting in target.SETTINGS.items())}"
    for name, target in TARGETS.items()
    if target.SETTINGS
)


def command(
    fleet: Fleet,
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="What solve --output wrote for this fleet.")
    ],
    stack: Annotated[Stack, typer.Option("--for", help="What the configuration is for.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="F", help="The file, or a folder; - for stdout."),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="DIR",
            help="Where models are loaded from: a folder, a folder of them, or NAME=DIR. Others "
            "are loaded by their names.",
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="U", help="Unit of the fleet, if its file has none, such as GB."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help=f"Other than the default. {_SETTINGS}."),
    ] = None,
) -> None:
    """Write a placement as configuration: GPUs, memory, ports and order of each server.

    Nothing is started.
    """
    target = TARGETS[str(stack.value)]
    chosen = settings_of(target, settings or ())
    check_apart(fleet, output=output)
    check_apart(result, "the result", output=output)
    instance = read_fleet(fleet, None, None)
    checkpoints = [
        read_checkpoint(folder.resolve(), name or name_of(folder))
        for given in models or ()
        for name, folder in folders(given)
    ]
    plan = placed(
        read_result(result, instance), checkpoints, unit=unit, version=version("kvpr-opt")
    )
    _write(target.files(plan, chosen), output)
    console = remark_console()
    for remark in (f"For {target.STACK}. Nothing has been started.", *plan.remarks):
        console.print(remark, markup=False)


def _write(files: dict[str, str], output: str) -> None:
    """Write one file to the path, or into it if it is a folder; several into the folder."""
    if len(files) == 1 and not os.path.isdir(output) and not output.endswith(os.sep):
        check_writable(output)
        write_text(output, *files.values())
        return
    if output == STANDARD_STREAM:
        raise InputError(f"these are {len(files)} files; give a folder", place="--output")
    folder = Path(output)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made a folder for {len(files)} files: {error.strerror}", source=output
        ) from None
    for name in files:
        check_writable(folder / name)
    for name, text in files.items():
        write_text(folder / name, text)
