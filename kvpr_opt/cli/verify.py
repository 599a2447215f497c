"""``kvpr-opt verify``: check every claim of a certificate."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import Certificate, verify_texts
from kvpr_opt.certificates.explain import explain
from kvpr_opt.certificates.explain_relocation import explain_relocation, is_relocation
from kvpr_opt.cli.console import answer_console, print_line
from kvpr_opt.cli.options import Fleet, Gpus, Memory, read_fleet
from kvpr_opt.files import read_text


def command(
    fleet: Fleet,
    certificate: Annotated[
        str, typer.Argument(metavar="CERTIFICATE", help="Certificate, of solve or replan.")
    ],
    gpus: Gpus = None,
    memory: Memory = None,
    in_words: Annotated[
        bool, typer.Option("--explain", help="Explain in words why each bound holds.")
    ] = False,
) -> None:
    """Check every claim of a certificate, without any solver.

    Exit code: 0 everything is proved, 2 bad input, 3 nothing is false but the bound
    rests on a solver's word, 5 rejected.
    """
    instance = read_fleet(fleet, gpus, memory)
    text = read_text(certificate, "utf-8")  # a byte-order mark makes it unreadable
    report = verify_texts(canonical_fleet(instance), text)
    console = answer_console()
    words = [str(report)]
    if in_words and report.readable:
        data = json.loads(text)
        if not is_relocation(data):
            words += ["", explain(instance, Certificate.from_json(text))]
        elif not report.rejected:
            words += ["", explain_relocation(data)]
    for line in "\n".join(words).split("\n"):
        print_line(console, line)
    raise typer.Exit(report.exit_code)
