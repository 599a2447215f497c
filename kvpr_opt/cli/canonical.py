"""``kvpr-opt canonical``: write the canonical fleet, the form used for digests and checks."""

from __future__ import annotations

from typing import Annotated

import typer

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.cli.options import Fleet, Gpus, Memory, check_apart, check_suffix, read_fleet
from kvpr_opt.files import write_text


def command(
    fleet: Fleet,
    gpus: Gpus = None,
    memory: Memory = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="File to write; - for stdout.")
    ] = "-",
) -> None:
    """Write the canonical fleet: what the stand-alone checker reads."""
    check_apart(fleet, output=output)
    check_suffix(".json", output=output)
    write_text(output, canonical_fleet(read_fleet(fleet, gpus, memory)))
