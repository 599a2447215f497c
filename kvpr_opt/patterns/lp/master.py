"""The linear program over the patterns at hand, kept warm in one HiGHS object.

    minimise    s
    subject to  sum over patterns p of a_pc x_p  >=  number of models of class c   (each class)
                sum over patterns p of type k x_p  <=  s G_k                        (each GPU type)
                x >= 0

s is the factor by which the number of GPUs of every type must grow before a
fractional packing exists: the threshold passes the test iff s <= 1. For one
type this is the Gilmore-Gomory bound (doi:10.1287/opre.9.6.849) divided by the
number of GPUs. The dual values v_c of the classes and V_k of the types satisfy
sum of G_k V_k = 1 and v(p) <= V_k for the patterns at hand; priced out over all
patterns, sum of v_c > sum of G_k V_k is a proof of infeasibility. Covering rows
suffice because every subset of a pattern is a pattern, and keep the duals
non-negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Floats
from kvpr_opt.errors import NumericalError
from kvpr_opt.highs import OwnThread, QuietHighs
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.problem import PackingQuestion

# The duals of a type are about 1 / GPUs. At the usual tolerance of 1e-7 the rounds would
# end some millionths of a GPU away from the optimum, and most fleets are decided closer.
_OPTIONS = (
    ("presolve", "off"),
    ("solver", "simplex"),
    ("threads", 1),
    ("dual_feasibility_tolerance", 1e-10),
    ("primal_feasibility_tolerance", 1e-9),
)

#: Classes from which a solve may take so long that it must check the stop flag on the way (HiGHS
#: itself knows the deadline). A check takes some microseconds an iteration.
_LOOK_FROM = 60

#: Simplex methods of HiGHS: after a new question the old basis is closer to dual
#: feasibility, after new patterns it is primal feasible.
_DUAL, _PRIMAL = 1, 4

_STOPPED = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt)


@dataclass(frozen=True)
class LPSolution:
    """Factor s, weight by pattern of the pool, and dual values by class and by type."""

    factor: float
    weights: Floats
    class_values: Floats
    type_values: Floats

    @classmethod
    def unknown(cls, patterns: int, classes: int, types: int) -> LPSolution:
        """A solution that says nothing about the optimum."""
        return cls(math.inf, np.zeros(patterns), np.zeros(classes), np.zeros(types))


class _Watch:
    """Interrupts HiGHS at a stop signal, or when another thread has settled the run."""

    def __init__(self) -> None:
        self.limits: LimitsView | None = None

    def look(self, event: highspy.HighsCallbackEvent) -> None:
        """Tell HiGHS whether to stop; it asks every iteration and remembers the answer."""
        event.interrupt(self.limits is not None and self.limits.stopped)


class Master:
    """The restricted master problem over a pool of patterns.

    Parameters
    ----------
    pool
        The patterns; each :meth:`solve` picks up the new ones.
    classes, types
        Numbers of model classes and of GPU types.

    Attributes
    ----------
    thread
        Where HiGHS runs. Several solves in turn, with what is done between them, are
        faster if they take place there altogether.
    """

    def __init__(self, pool: PatternPool, classes: int, types: int) -> None:
        self._pool = pool
        self._classes, self._types = classes, types
        self._columns = 0
        self._closed: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._posed = False
        self.thread = OwnThread()
        self._highs = QuietHighs()
        for option, value in _OPTIONS:
            self._highs.setOptionValue(option, value)
        self._watch = _Watch()
        if classes >= _LOOK_FROM:
            self._highs.cbSimplexInterrupt += self._watch.look
        self._add_frame()

    def _add_frame(self) -> None:
        """Add the rows, without patterns, and the column of the factor s."""
        classes, types = self._classes, self._types
        rows, infinity = classes + types, highspy.kHighsInf
        low = np.concatenate([np.zeros(classes), np.full(types, -infinity)])
        high = np.concatenate([np.full(classes, infinity), np.zeros(types)])
        no_entries = np.zeros(0, dtype=np.int32)
        self._highs.addRows(
            rows, low, high, 0, np.zeros(rows, dtype=np.int32), no_entries, np.zeros(0)
        )
        in_rows = np.arange(classes, rows, dtype=np.int32)
        self._highs.addCol(1.0, 0.0, infinity, types, in_rows, np.full(types, -1.0))

    def pose(self, question: PackingQuestion) -> None:
        """Set counts, numbers of GPUs and the patterns that the question allows."""
        self._take_new()
        rows = np.arange(self._classes, dtype=np.int32)
        demand = question.counts.astype(np.float64)
        infinity = np.full(self._classes, highspy.kHighsInf)
        self._highs.changeRowsBounds(self._classes, rows, demand, infinity)
        for k, number in enumerate(question.multiplicities):
            self._highs.changeCoeff(self._classes + k, 0, -float(number))
        closed = ~self._pool.patterns.usable(question)
        changed = np.flatnonzero(closed != self._closed)
        if changed.size:
            upper = np.where(closed[changed], 0.0, highspy.kHighsInf)
            self._highs.changeColsBounds(
                changed.size, (changed + 1).astype(np.int32), np.zeros(changed.size), upper
            )
        self._closed = closed
        self._posed = True

    def solve(self, limits: LimitsView) -> LPSolution:
        """The optimum over the patterns at hand; an infinite factor if time ran out."""
        self._take_new()
        # HiGHS counts seconds across all its runs.
        deadline = self._highs.getRunTime() + limits.allowance()
        self._highs.setOptionValue("time_limit", deadline)
        self._highs.setOptionValue("simplex_strategy", _DUAL if self._posed else _PRIMAL)
        self._posed = False
        self._watch.limits = limits
        self.thread.run(self._highs.run)
        optimal = highspy.HighsModelStatus.kOptimal
        status = self._highs.getModelStatus()
        if status not in (optimal, *_STOPPED):
            # The basis has degraded after many changes: solve again from scratch.
            self._highs.clearSolver()
            self.thread.run(self._highs.run)
            status = self._highs.getModelStatus()
        if status in _STOPPED:
            return LPSolution.unknown(self._columns, self._classes, self._types)
        if status != optimal:
            raise NumericalError(f"the pattern LP ended with {status}")
        solution = self._highs.getSolution()
        values = np.array(solution.col_value)
        duals = np.array(solution.row_dual)
        return LPSolution(
            factor=float(values[0]),
            weights=values[1:],
            class_values=np.maximum(duals[: self._classes], 0.0),
            type_values=np.maximum(-duals[self._classes :], 0.0),
        )

    def _take_new(self) -> None:
        new = self._pool.size - self._columns
        if not new:
            return
        types, starts, classes, copies = self._pool.since(self._columns)
        # The row of the type comes last in each column.
        ends, before = starts[1:], np.arange(new)
        row = np.insert(classes, ends, self._classes + types).astype(np.int32)
        entries = np.insert(copies, ends, 1).astype(np.float64)
        starts = (starts[:-1] + before).astype(np.int32)
        zeros, infinity = np.zeros(new), np.full(new, highspy.kHighsInf)
        self._highs.addCols(new, zeros, zeros, infinity, len(row), starts, row, entries)
        self._columns = self._pool.size
        self._closed = np.concatenate([self._closed, np.zeros(new, dtype=bool)])
