"""The argument of a certificate in words, for a reader who wants to follow it.

Everything is said in memory: below a KVPR, a model takes its size and, for its
pressure, some memory that must stay free. This is the packing problem of
``docs/certificate.md``, divided so that the capacity of a GPU is its memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import BoundClaim, Certificate, Check, Report, verify
from kvpr_opt.problem.exact import decimal_text, read_fraction
from kvpr_opt.problem.instance import Instance
from kvpr_opt.text import listed
from kvpr_opt.verify import (
    FAILED,
    NOT_CHECKABLE,
    packing,
    read_fleet,
    rounded_fleet,
    threshold,
    whole_fleet,
)

#: Names that are listed; of the rest, their number.
_MAX_NAMES = 12


@dataclass(frozen=True)
class _GPUType:
    """GPUs of equal memory, and the part of it that models can use on each of them."""

    memory: Fraction
    number: int
    room: Fraction

    def __str__(self) -> str:
        return f"a GPU of {_amount(self.memory)}"


@dataclass(frozen=True)
class _Question:
    """What it would take to stay below a bound.

    Attributes
    ----------
    largest
        The largest KVPR below the bound; infinite where no model has pressure.
    needs
        By model name, the room that it takes.
    types
        The types of GPU.
    """

    largest: Fraction | float
    needs: Mapping[str, Fraction]
    types: tuple[_GPUType, ...]

    @classmethod
    def of(
        cls, instance: Instance, value: Fraction | float, rounding: Fraction | None
    ) -> _Question:
        written = read_fleet(canonical_fleet(instance))
        fleet = whole_fleet(written) if rounding is None else rounded_fleet(written, rounding)
        a, f = threshold(fleet, value)
        largest = Fraction(a, f) * fleet.unit if f else math.inf
        items, capacities = packing(fleet, a, f)
        # The checker counts in its own units; this is the size of one, in memory.
        everything = sum(model.footprint for model in instance.models)
        if isinstance(largest, Fraction) and largest > 0:
            pressure = sum(fleet.pressures.values()) * fleet.unit * written.memory_unit
            everything += pressure / largest
        total = sum(items)
        unit = Fraction(everything) / total if total else Fraction(1)
        return cls(
            largest,
            {name: item * unit for name, item in zip(fleet.sizes, items, strict=True)},
            tuple(
                _GPUType(instance.gpus[first].usable, number, capacities[first] * unit)
                for first, number in (
                    (each.gpus[0], len(each.gpus)) for each in instance.scaled.types
                )
            ),
        )


def explain(instance: Instance, certificate: Certificate) -> str:
    """Say in words why each bound of a certificate holds, if it does.

    Parameters
    ----------
    instance
        The fleet.
    certificate
        What is claimed about it; it is checked first, and nothing that fails is
        explained.

    Returns
    -------
    str
        Several paragraphs of plain text.
    """
    report = verify(instance, certificate)
    if len(report.checks) == 1:
        return f"Nothing is explained: {report.checks[0].detail}."
    # Digest and placement come first, then the bounds, then the status.
    checks = report.checks[2:-1]
    paragraphs = [
        "\n".join(_bound(instance, bound, made))
        for bound, made in zip(certificate.bounds, checks, strict=True)
    ]
    if not paragraphs:
        paragraphs.append("No bound is claimed, but that no KVPR is negative.")
    return "\n\n".join([*paragraphs, _conclusion(certificate, report)])


def _bound(instance: Instance, bound: BoundClaim, made: Check) -> list[str]:
    claim = (
        "No placement has a finite max KVPR"
        if bound.value == math.inf
        else f"No placement has a max KVPR below {_kvpr(bound.value)}"
    )
    if made.outcome == FAILED:
        return [f"{claim}: this is claimed, but its proof fails."]
    proof, rounding, rounded = bound.proof, None, []
    if proof["kind"] == "rounded":
        rounding = read_fraction(proof["unit"], "unit")
        rounded = [
            f"- Round every pressure down to a multiple of {_amount(rounding)}: that raises the "
            "KVPR of no placement."
        ]
        proof = proof["proof"]
    kind = proof["kind"]
    if kind == "solver":
        return [f"{claim}, says a solver:", *rounded, *_word(proof)]
    if instance.constraints:
        # By type and group it would be long; the checker has repeated it.
        return [f"{claim}. The argument, which the checker repeats:", *rounded, f"- {made.detail}."]
    question = _Question.of(instance, bound.value, rounding)
    opening = f"{claim}. Suppose that one had:"
    if question.largest <= 0:
        return [opening, *rounded, *_nothing(question)]
    room = [*rounded, *_room(question, bound.value)]
    if kind == "volume":
        return [opening, *room, *_volume(question)]
    return [opening, *room, *_points_and_limits(question, proof, made)]


def _nothing(question: _Question) -> list[str]:
    if question.largest < 0:
        return ["- No KVPR is negative."]
    return ["- No KVPR but 0 is that small, so no GPU would have any pressure; but a model has."]


def _room(question: _Question, value: Fraction | float) -> list[str]:
    """How much of a GPU each model takes, and why."""
    if question.largest == math.inf:
        lines = ["- No model has pressure: the room that a model takes is its size."]
    else:
        most = _amount(question.largest)
        reason = (
            f"- The largest KVPR that is finite is at most {most}, all the pressure on the "
            "smallest piece of free memory."
            if value == math.inf
            else f"- The largest KVPR below it that a GPU of this fleet can have is {most}."
        )
        lines = [
            reason,
            f"- So each unit of pressure needs 1 / {most} of free memory: the room that a model "
            f"takes is its size + its pressure / {most}.",
        ]
    for gpu_type in question.types:
        if gpu_type.room < gpu_type.memory:
            lines.append(
                f"- All rooms are multiples of one number, so of {gpu_type} only "
                f"{_amount(gpu_type.room)} can be used."
            )
    return lines


def _volume(question: _Question) -> list[str]:
    needed = sum(question.needs.values())
    there = sum(each.number * each.room for each in question.types)
    return [
        f"- All models together take {_amount(needed)}; "
        f"all GPUs together have {_amount(there)}, which is less."
    ]


def _points_and_limits(question: _Question, proof: Mapping[str, Any], made: Check) -> list[str]:
    points = [int(text) for text in proof["models"].split()]
    limits = [int(text) for text in proof["gpus"].split()]
    lines = ["- Give these models these points:"]
    for worth in sorted({*points} - {0}, reverse=True):
        names = [name for name, each in zip(question.needs, points, strict=True) if each == worth]
        lines.append(f"    {worth}: {listed(map(_printable, names), _MAX_NAMES)}")
    if 0 in points:
        lines.append("    0: all others")
    limited = list(zip(question.types, limits, strict=True))
    for gpu_type, limit in limited:
        lines.append(f"- No models of more than {_points(limit)} together fit {gpu_type}.")
    held = sum(gpu_type.number * limit for gpu_type, limit in limited)
    # A model that takes no room can be added to any GPU, so its points prove nothing.
    there = sum(each for need, each in zip(question.needs.values(), points, strict=True) if need)
    if proof["kind"] == "dual":
        return [
            *lines,
            f"- {_gpus(question)} at most {_points(held)}, but all models have {there}.",
        ]
    return [
        *lines,
        f"- {_gpus(question)} at most {_points(held)}, and all models have {there}. So all GPUs "
        f"together can only lose {_points(held - there)}.",
        f"- What a GPU holds in the end cannot lose more by itself. {_capital_first(made.detail)}.",
        "- Each case takes a model that is in fewest of these sets, and tries them in turn.",
    ]


def _word(proof: Mapping[str, Any]) -> list[str]:
    settings = ", ".join(f"{name} {value}" for name, value in proof["parameters"].items())
    return [
        f"- {_printable(proof['solver'])} {_printable(proof['version'])} reported that there is "
        f"none of at most {proof['threshold']}"
        + (f", with {_printable(settings)}." * bool(settings) or "."),
        "- That is its word, not a proof: it can be asked again, but not checked.",
    ]


def _conclusion(certificate: Certificate, report: Report) -> str:
    last = report.checks[-1]
    if report.rejected:
        return "The certificate as a whole is rejected."
    resting = " if the solver is right" if last.outcome == NOT_CHECKABLE else ""
    if certificate.max_kvpr is None:
        if certificate.status == "infeasible":
            return f"So no placement is possible{resting}."
        return "No placement is given."
    given = f"The placement given has the max KVPR {_kvpr(certificate.max_kvpr)}"
    if certificate.status == "optimal":
        return f"{given}: none is better{resting}."
    return f"{given}; a better one may exist."


def _points(number: int) -> str:
    return "1 point" if number == 1 else f"{number} points"


def _gpus(question: _Question) -> str:
    number = sum(each.number for each in question.types)
    return "The GPU holds" if number == 1 else f"All {number} GPUs together hold"


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _capital_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kvpr(value: Fraction | float) -> str:
    exact = (
        decimal_text(Fraction(value)) if max(Fraction(value).as_integer_ratio()) < 10**12 else ""
    )
    rounded = _amount(value)
    return rounded if exact in ("", rounded) else f"{rounded} (exactly {exact})"


def _amount(value: Fraction | float) -> str:
    """A number to nine digits, enough to tell apart what the argument compares."""
    try:
        return f"{float(value):.9g}"
    except OverflowError:
        return "a number of hundreds of digits"
