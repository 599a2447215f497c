"""The argument of a certificate in words, for a person who wants to follow it.

Everything is said in memory: below a KVPR, a model takes its size and, for its
pressure, some memory that must stay free. This is the packing problem of
``docs/certificate.md``, divided so that the capacity of a GPU is its memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

from kvpr_opt.canonical import canonical_fleet
from kvpr_opt.certificate import BoundClaim, Certificate
from kvpr_opt.exact import decimal_text
from kvpr_opt.instance import Instance
from kvpr_opt.verify import Outcome, Report, check, packing, read_fleet, threshold

#: Names listed in full; of more, so many and the number of the others.
_MOST_NAMES = 12


@dataclass(frozen=True)
class _Kind:
    """GPUs of equal memory, and the room that models can use on each of them."""

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
    kinds
        The types of GPU.
    """

    largest: Fraction | float
    needs: Mapping[str, Fraction]
    kinds: tuple[_Kind, ...]

    @classmethod
    def of(cls, instance: Instance, value: Fraction | float) -> _Question:
        fleet = read_fleet(canonical_fleet(instance))
        a, f = threshold(fleet, value)
        largest = Fraction(a, f) * fleet.unit if f else math.inf
        items, capacities = packing(fleet, a, f)
        # The checker counts in units of its own; this is one of them, in memory.
        everything = sum(model.size for model in instance.models)
        if isinstance(largest, Fraction) and largest > 0:
            everything += sum(model.pressure for model in instance.models) / largest
        total = sum(items.values())
        unit = Fraction(everything) / total if total else Fraction(1)
        return cls(
            largest,
            {name: item * unit for name, item in items.items()},
            tuple(
                _Kind(instance.gpus[kind.gpus[0]].usable, len(kind.gpus), capacity * unit)
                for kind in instance.scaled.types
                for capacity in [capacities[kind.gpus[0]]]
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
    report = check(canonical_fleet(instance), certificate.to_json())
    if not report.readable:
        return f"Nothing is explained: {report.checks[0].detail}."
    # Digest and placement come first, then the bounds, then the status.
    checks = report.checks[2:-1]
    paragraphs = [
        "\n".join(_bound(instance, bound, made.outcome))
        for bound, made in zip(certificate.bounds, checks, strict=True)
    ]
    if not paragraphs:
        paragraphs.append("No bound is claimed, but that no KVPR is negative.")
    return "\n\n".join([*paragraphs, _conclusion(certificate, report)])


def _bound(instance: Instance, bound: BoundClaim, outcome: Outcome) -> list[str]:
    claim = (
        "No placement has a finite max KVPR"
        if bound.value == math.inf
        else f"No placement has a max KVPR below {_kvpr(bound.value)}"
    )
    if outcome is Outcome.FAILED:
        return [f"{claim}: this is claimed, but its proof fails."]
    kind = bound.proof["kind"]
    if kind == "solver":
        return [f"{claim}, says a solver:", *_word(bound.proof)]
    question = _Question.of(instance, bound.value)
    opening = f"{claim}. Suppose that one had:"
    argument = {"volume": _volume, "counting": _counting, "dual": _dual}[kind]
    if question.largest <= 0:
        return [opening, *_nothing(question)]
    return [opening, *_room(question, bound.value), *argument(question, bound.proof)]


def _nothing(question: _Question) -> list[str]:
    if question.largest < 0:
        return ["- No KVPR is negative."]
    return ["- No KVPR but 0 is that small, so no GPU would have any pressure; but a model has."]


def _room(question: _Question, value: Fraction | float) -> list[str]:
    """What the measure is: how much of a GPU a model takes."""
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
    for kind in question.kinds:
        if kind.room < kind.memory:
            lines.append(
                f"- All rooms are multiples of one number, so of {kind} only "
                f"{_amount(kind.room)} can be used."
            )
    return lines


def _volume(question: _Question, _: Mapping[str, Any]) -> list[str]:
    needed = sum(question.needs.values())
    there = sum(kind.number * kind.room for kind in question.kinds)
    return [
        f"- All models together take {_amount(needed)}; "
        f"all GPUs together have {_amount(there)}, which is less."
    ]


def _counting(question: _Question, proof: Mapping[str, Any]) -> list[str]:
    names = sorted(proof["models"], key=lambda name: question.needs[name])
    least = list(accumulate(question.needs[name] for name in names))
    lines = [f"- Take {len(names)} of the models: {_listed(names)}."]
    total = 0
    for kind in question.kinds:
        held = sum(need <= kind.room for need in least)
        total += kind.number * held
        lines.append(
            f"- {_capital(kind)} holds at most {held} of them"
            + (f": the {held + 1} smallest take {_amount(least[held])}." if least[held:] else ".")
        )
    return [*lines, f"- {_gpus(question)} at most {total}, which is fewer than {len(names)}."]


def _dual(question: _Question, proof: Mapping[str, Any]) -> list[str]:
    points = [int(text) for text in proof["models"].split()]
    limits = [int(text) for text in proof["gpus"].split()]
    lines = ["- Give these models these points:"]
    for worth in sorted({*points} - {0}, reverse=True):
        names = [name for name, each in zip(question.needs, points, strict=True) if each == worth]
        lines.append(f"    {worth}: {_listed(names)}")
    if 0 in points:
        lines.append("    0: all others")
    for kind, limit in zip(question.kinds, limits, strict=True):
        lines.append(f"- No models of more than {_points(limit)} together fit {kind}.")
    held = sum(kind.number * limit for kind, limit in zip(question.kinds, limits, strict=True))
    return [
        *lines,
        f"- {_gpus(question)} at most {_points(held)}, but all models have {sum(points)}.",
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
    if report.exit_code == 5:
        return "The certificate as a whole is rejected."
    resting = " if the solver is right" if last.outcome is Outcome.NOT_CHECKABLE else ""
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
    number = sum(kind.number for kind in question.kinds)
    return "The GPU holds" if number == 1 else f"All {number} GPUs together hold"


def _listed(names: Iterable[str]) -> str:
    shown = [_printable(name) for name in names]
    more = len(shown) - _MOST_NAMES
    return ", ".join(shown[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _capital(kind: _Kind) -> str:
    return "A" + str(kind)[1:]


def _kvpr(value: Fraction | float) -> str:
    exact = (
        decimal_text(Fraction(value)) if max(Fraction(value).as_integer_ratio()) < 10**12 else ""
    )
    rounded = _amount(value)
    return rounded if exact in ("", rounded) else f"{rounded} (exactly {exact})"


def _amount(value: Fraction | float) -> str:
    """A number to nine digits, which tells apart what the argument compares."""
    try:
        return f"{float(value):.9g}"
    except OverflowError:
        return "a number of hundreds of digits"
