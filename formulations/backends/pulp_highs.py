"""Solve a PuLP model with HiGHS, the default solver of :mod:`formulations.backends.pulp_solvers`.

The model goes to HiGHS directly, not through PuLP's own interface, whose classes and
statuses differ between PuLP 3 and PuLP 4, which merges "stopped" and "unknown" with other
statuses, and which ignores the starting solution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import highspy
import numpy as np
import pulp

from formulations.backends import highs
from formulations.backends.termination import Termination, TerminationStatus
from formulations.model_file import Exported
from kvpr_opt.limits import LimitsView


def solve(
    model: pulp.LpProblem,
    limits: LimitsView,
    options: Mapping[str, str | int | float | bool],
    *,
    relaxed: bool = False,
) -> Termination:
    """Solve a model to be minimised; its variables then hold the best solution found, if any.

    Parameters
    ----------
    model
        Solved from the initial values of its variables, if all have one.
    limits
        When to stop.
    options
        HiGHS options by name.
    relaxed
        Whether to drop the integrality of the variables.
    """
    # Build the program first: without an objective, PuLP adds a variable for it.
    program = _program(model, relaxed=relaxed)
    variables = {variable.name: variable for variable in model.variables()}
    columns = [variables[name] for name in program.col_names_]
    start = [variable.varValue for variable in columns]
    termination, values = highs.solve(program, limits, options, None if None in start else start)
    if values is not None:
        for variable, value in zip(columns, values.tolist(), strict=True):
            variable.varValue = value
    return termination


def _program(model: pulp.LpProblem, *, relaxed: bool) -> highspy.HighsLp:
    """The model in HiGHS's format, by rows; columns keep their PuLP names."""
    # PuLP 3 and PuLP 4 agree on this part of their description of a model.
    data = model.toDataclass()
    index = {variable.name: j for j, variable in enumerate(data.variables)}
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(data.variables), len(data.constraints)
    program.col_names_ = list(index)
    program.col_lower_ = np.array([_or(v.lowBound, -math.inf) for v in data.variables])
    program.col_upper_ = np.array([_or(v.upBound, math.inf) for v in data.variables])
    costs = np.zeros(len(data.variables))
    for term in data.objective.coefficients:
        costs[index[term.name]] += term.value
    program.col_cost_ = costs
    if not relaxed:
        whole, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
        program.integrality_ = [whole if v.cat == pulp.LpInteger else real for v in data.variables]
    sides = np.array([-row.constant for row in data.constraints], dtype=np.float64)
    senses = np.array([row.sense for row in data.constraints], dtype=np.int64)
    program.row_lower_ = np.where(senses == pulp.LpConstraintLE, -math.inf, sides)
    program.row_upper_ = np.where(senses == pulp.LpConstraintGE, math.inf, sides)
    terms = [term for row in data.constraints for term in row.coefficients]
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    lengths = [len(row.coefficients) for row in data.constraints]
    matrix.start_ = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    matrix.index_ = np.array([index[term.name] for term in terms], dtype=np.int32)
    matrix.value_ = np.array([term.value for term in terms], dtype=np.float64)
    return program


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else float(bound)


def relaxation_is_feasible(exported: Exported, limits: LimitsView) -> bool | None:
    """Whether the model without its integrality has a solution.

    Parameters
    ----------
    exported
        The model of a threshold.
    limits
        When to give up.

    Returns
    -------
    bool or None
        ``None`` if HiGHS could not decide.
    """
    termination = solve(exported.model, limits, {"threads": 1}, relaxed=True)
    known = {TerminationStatus.SOLVED: True, TerminationStatus.INFEASIBLE: False}
    return known.get(termination.status)
