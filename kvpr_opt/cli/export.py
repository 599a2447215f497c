"""``kvpr-opt export``: write a formulation at a threshold for other solvers."""

from __future__ import annotations

import os
from fractions import Fraction
from importlib.metadata import version
from typing import Annotated

import typer

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.cli.options import Fleet, Gpus, Memory, check_apart, naming_options, read_fleet
from kvpr_opt.errors import InputError
from kvpr_opt.files import check_writable, write_text
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.problem.exact import fraction_text, to_fraction
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import Threshold


def command(
    fleet: Fleet,
    formulation: Annotated[
        str, typer.Option("--formulation", "-f", metavar="NAME", help="A model written in PuLP.")
    ],
    threshold: Annotated[
        str,
        typer.Option("--threshold", "-t", metavar="T", help="Exact, such as 29/777 or 0.05."),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="File to write: .lp or .mps.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Ask for less than T, not for T or less.")
    ] = False,
    gpus: Gpus = None,
    memory: Memory = None,
) -> None:
    """Write the model of the question "is there a placement with max KVPR <= T?".

    The model has a solution if and only if there is one. Its coefficients are whole
    numbers to their last digit; comments say what each variable stands for.
    """
    # Imported here: no other command needs the formulations.
    from formulations.registry import write_model

    if output == STANDARD_STREAM:
        raise InputError("a file name that ends in .lp or .mps is needed", place="--output")
    check_apart(fleet, output=output)
    check_writable(output)
    instance = read_fleet(fleet, gpus, memory)
    with naming_options("threshold", "formulation", "output"):
        value = to_value(threshold)
        question = _question(instance, value, strict=strict)
        suffix = os.path.splitext(output)[1].lower()
        comments = _comments(instance, formulation, value, question, strict=strict)
        text = write_model(formulation, instance, question, suffix, comments)
    write_text(output, text)


def to_value(text: str) -> Fraction:
    """Parse a threshold: an exact number of at least 0.

    Raises
    ------
    InputError
        If it is anything else.
    """
    try:
        value = to_fraction(text, "threshold")
    except InputError as error:
        raise error.within(place="threshold") from None
    if value < 0:
        raise InputError(f"threshold {text} is not at least 0", place="threshold")
    return value


def _question(instance: Instance, value: Fraction, *, strict: bool) -> Threshold:
    if not strict:
        return instance.scaled.at_most(value)
    if value == 0:
        raise InputError(
            "no KVPR is below 0; with --strict, the threshold must be above 0", place="threshold"
        )
    return instance.scaled.below(value)


def _comments(
    instance: Instance, formulation: str, value: Fraction, question: Threshold, *, strict: bool
) -> list[str]:
    """The header of the file: the question and the fleet."""
    asked = f"max KVPR {'<' if strict else '<='} {fraction_text(value)}"
    largest = fraction_text(Fraction(question.value))
    between = f"No KVPR lies between that and {largest}, so the model asks for at most {largest}."
    return [
        f"kvpr-opt {version('kvpr-opt')}, formulation {formulation}: is there a placement "
        f"with {asked}?",
        *([between] if question.value != value else []),
        f"Fleet: {len(instance.models)} models on {len(instance.gpus)} GPUs, "
        f"digest {digest(instance)}.",
        "Solvers count what is within their integrality tolerance of a whole number as one: "
        "it has to be far below 1 / (the largest coefficient).",
    ]
