"""A PuLP model as the text of an LP or MPS file, with every digit of every whole number.

PuLP's own writers round coefficients to 12 or 13 significant digits, which would
change the question. Here whole numbers are written in full, and those that a reader
working with doubles could not represent are rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pulp

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import PackingProblem

#: Coefficients stay below this: HiGHS rejects larger ones, and readers work with doubles,
#: which represent all whole numbers up to 2**53 = 9 * 10**15.
LARGEST = 10**15

_SENSES = {pulp.LpConstraintLE: "<=", pulp.LpConstraintEQ: "=", pulp.LpConstraintGE: ">="}
_MPS_SENSES = {pulp.LpConstraintLE: "L", pulp.LpConstraintEQ: "E", pulp.LpConstraintGE: "G"}


# Some readers of the LP format reject lines of more than 560 characters.
_LONGEST, _TERMS = 500, 8


class Exported(NamedTuple):
    """A model for other solvers, without rounding.

    Attributes
    ----------
    model
        The PuLP model; names of variables and constraints are plain letters, digits
        and underscores.
    meaning
        What each variable stands for, by its name; one line of ASCII each.
    """

    model: pulp.LpProblem
    meaning: Mapping[str, str]


def check_exact(problem: PackingProblem) -> None:
    """Reject numbers that the readers of a model file cannot represent.

    Raises
    ------
    InputError
        If a size or a capacity is not below :data:`LARGEST`.
    """
    largest = max((*problem.sizes, *problem.capacities))
    if largest >= LARGEST:
        raise InputError(
            "at this threshold the model has a coefficient of 10**15 or more, which readers of LP "
            "and MPS files round or refuse: choose a simpler threshold, or round sizes and rates "
            "in the fleet"
        )


def meaning_of(
    instance: Instance, x: Sequence[Mapping[int, pulp.LpVariable]], what: str = "runs on"
) -> dict[str, str]:
    """The meaning of variables by model and GPU, in the names of the fleet."""
    return {
        variable.name: f"model {json.dumps(model.name)} {what} GPU "
        f"{json.dumps(instance.gpus[g].name)}"
        for model, choices in zip(instance.models, x, strict=True)
        for g, variable in choices.items()
    }


def lp_text(exported: Exported, comments: Iterable[str] = ()) -> str:
    """The model in the LP format of CPLEX, with comments in front.

    Parameters
    ----------
    exported
        The model and the meaning of its variables, which is written as comments.
    comments
        Lines for the head of the file.
    """
    data = exported.model.toDataclass()
    first = data.variables[0].name
    lines = [f"\\ {line}" for line in _head(exported, comments)]
    lines += ["Minimize", f" obj: {_sum(data.objective.coefficients, first)}", "Subject To"]
    for row in data.constraints:
        side = f"{_SENSES[row.sense]} {_number(-row.constant)}"
        lines.append(f" {row.name}: {_sum(row.coefficients, first)} {side}")
    lines.append("Bounds")
    lines += [f" {_number(v.lowBound)} <= {v.name} <= {_number(v.upBound)}" for v in data.variables]
    whole = [f" {v.name}" for v in data.variables if v.cat == pulp.LpInteger]
    lines += ["Generals", *whole] if whole else []
    return "\n".join([*lines, "End", ""])


def mps_text(exported: Exported, comments: Iterable[str] = ()) -> str:
    """The model in the free MPS format, with comments in front.

    Parameters
    ----------
    exported, comments
        As for :func:`lp_text`.
    """
    data = exported.model.toDataclass()
    columns: dict[str, list[str]] = {v.name: [] for v in data.variables}
    for row, terms in [("obj", data.objective.coefficients)] + [
        (row.name, row.coefficients) for row in data.constraints
    ]:
        for term in terms:
            columns[term.name].append(f" {term.name} {row} {_number(term.value)}")
    lines = [f"* {line}" for line in _head(exported, comments)]
    lines += [f"NAME {exported.model.name}", "ROWS", " N obj"]
    lines += [f" {_MPS_SENSES[row.sense]} {row.name}" for row in data.constraints]
    lines.append("COLUMNS")
    for whole, start, end in ((False, [], []), (True, [_marker("ORG")], [_marker("END")])):
        chosen = [v.name for v in data.variables if (v.cat == pulp.LpInteger) == whole]
        # A variable that occurs in no row is listed in the objective, so that it exists.
        body = [line for name in chosen for line in columns[name] or [f" {name} obj 0"]]
        lines += [*start, *body, *end] if body else []
    lines.append("RHS")
    lines += [f" RHS {row.name} {_number(-row.constant)}" for row in data.constraints]
    lines.append("BOUNDS")
    for v in data.variables:
        lines += [
            f" LO BND {v.name} {_number(v.lowBound)}",
            f" UP BND {v.name} {_number(v.upBound)}",
        ]
    return "\n".join([*lines, "ENDATA", ""])


#: How a model is written, by the suffix of the file.
WRITERS: Mapping[str, Callable[[Exported, Iterable[str]], str]] = {
    ".lp": lp_text,
    ".mps": mps_text,
}


def _head(exported: Exported, comments: Iterable[str]) -> list[str]:
    meaning = [f"{name}: {text}" for name, text in exported.meaning.items()]
    lines = [line.encode("ascii", "backslashreplace").decode() for line in (*comments, *meaning)]
    return [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines]


def _sum(terms: Sequence[Any], any_variable: str) -> str:
    """A linear expression; an empty one names a variable, since the format requires one."""
    if not terms:
        return f"0 {any_variable}"
    parts = [f"{'-' if t.value < 0 else '+'} {_number(abs(t.value))} {t.name}" for t in terms]
    lines = (parts[start : start + _TERMS] for start in range(0, len(parts), _TERMS))
    return "\n  ".join(" ".join(line) for line in lines).removeprefix("+ ")


def _number(value: float) -> str:
    """A whole number in full, any other with enough digits to read back the same double."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _marker(what: str) -> str:
    return f" MARKER 'MARKER' 'INT{what}'"
