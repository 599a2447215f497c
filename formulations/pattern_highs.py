"""Choosing patterns by integer programming in HiGHS.

Shared by the formulations whose variables are patterns.
"""

from __future__ import annotations

from collections.abc import Mapping

import highspy
import numpy as np
from numpy.typing import NDArray

from formulations.backends import highs
from formulations.backends.termination import Termination
from formulations.pattern_columns import Columns
from kvpr_opt.limits import LimitsView

# HiGHS's presolve is slow on many columns and cannot be interrupted. It finds little to
# reduce in patterns: most questions are settled sooner without it.
_OPTIONS = {"presolve": "off"}


def choose(
    columns: Columns,
    limits: LimitsView,
    options: Mapping[str, str | int | float | bool],
    *,
    covering: bool = False,
) -> tuple[Termination, NDArray[np.int64] | None]:
    """How often each pattern is taken, so that every model is in one.

    Parameters
    ----------
    columns
        The patterns.
    limits
        When to stop.
    options
        HiGHS options by name.
    covering
        Whether the patterns may hold more models of a class than there are.

    Returns
    -------
    How the run ended and, if it is solved, the number of uses of each pattern.
    """
    program = _program(columns, covering=covering)
    termination, values = highs.solve(program, limits, {**_OPTIONS, **options})
    if values is None or not termination.solved:
        return termination, None
    return termination, np.rint(values).astype(np.int64)


def _program(columns: Columns, *, covering: bool) -> highspy.HighsLp:
    """Columns are patterns; rows are the classes, then the GPU types."""
    patterns, classes = columns.counts.shape
    rows = classes + len(columns.multiplicities)
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = patterns, rows
    program.col_cost_ = np.zeros(patterns)
    program.col_lower_ = np.zeros(patterns)
    program.col_upper_ = columns.most.astype(np.float64)
    program.integrality_ = [highspy.HighsVarType.kInteger] * patterns
    demand, numbers = columns.demand.astype(np.float64), columns.multiplicities.astype(np.float64)
    infinite = np.full(rows, highspy.kHighsInf)
    program.row_lower_ = np.concatenate([demand, -infinite[classes:]])
    program.row_upper_ = np.concatenate([infinite[:classes] if covering else demand, numbers])
    pattern, row = np.nonzero(columns.counts)
    entries = np.concatenate([columns.counts[pattern, row], np.ones(patterns)])
    pattern = np.concatenate([pattern, np.arange(patterns)])
    order = np.argsort(pattern, kind="stable")
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.start_ = np.searchsorted(pattern[order], np.arange(patterns + 1)).astype(np.int32)
    matrix.index_ = np.concatenate([row, classes + columns.types])[order].astype(np.int32)
    matrix.value_ = entries[order].astype(np.float64)
    return program
