"""The solvers of the formulations written in PuLP, and how far their answers can be trusted.

A formulation gets its solver by name (``assignment_pulp:cbc``), hands it a model
and gets a :class:`~formulations.backends.termination.Termination`. PuLP's own statuses are
not passed on: it sometimes reports a time limit or a missing file as "infeasible" or
"optimal". Here only a genuine refutation is called infeasible.
"""

from __future__ import annotations

from fractions import Fraction
from importlib.metadata import version

import pulp

from formulations.backends import pulp_highs, pulp_process
from formulations.backends.pulp_catalogue import DEFAULT_SOLVER, check_solver, class_of
from formulations.backends.termination import Termination
from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold

# HiGHS options when the objective value matters: a gap no larger than any margin, for an
# objective in the order of 1, and the smallest tolerances that it accepts.
_TIGHT = {
    "mip_abs_gap": 1e-7,
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
}


class PulpSolver:
    """One solver, as a formulation uses it.

    Parameters
    ----------
    name
        As the user gave it; a key of :data:`formulations.backends.pulp_catalogue.FAMILIES`.
    seed
        Random seed, for HiGHS; PuLP has no way to pass it to the others, which
        run with their own.
    threads
        Cores that it may use.

    Attributes
    ----------
    doubt
        Possible error of an optimal value in the order of 1: the solver's
        tolerances, with a margin. HiGHS runs with smaller ones.

    Raises
    ------
    InputError
        If the name is unknown, or the solver is not installed.
    """

    def __init__(self, name: str = DEFAULT_SOLVER, *, seed: int = 0, threads: int = 1) -> None:
        check_solver(name)
        self._class = class_of(name)
        self._is_highs = name == DEFAULT_SOLVER
        self._threads = threads
        self._own: dict[str, str | int] = (
            {"random_seed": seed} if self._is_highs else {"class": self._class}
        )
        self.doubt = Fraction(1, 10**6) if self._is_highs else Fraction(1, 10**3)

    def solve(
        self,
        model: pulp.LpProblem,
        limits: LimitsView,
        *,
        nodes: int | None = None,
        gap: float | None = None,
    ) -> Termination:
        """Solve a model; its variables then hold the best solution found, if any.

        Parameters
        ----------
        model
            The initial values of its variables, if all have one, are the start.
        limits
            When to stop.
        nodes
            Nodes of the branch-and-bound tree allowed; ignored for solvers to which PuLP
            cannot pass the limit.
        gap
            Relative gap of the objective at which it may stop. If given, HiGHS runs with
            the smallest tolerances that work.
        """
        if not self._is_highs:
            return pulp_process.solve(
                model, self._class, limits, threads=self._threads, nodes=nodes, gap=gap
            )
        options = self._options(gap)
        if nodes is not None:
            options["mip_max_nodes"] = max(1, nodes)
        return pulp_highs.solve(model, limits, options)

    def claim(self, model: str, threshold: Threshold, *, gap: float | None = None) -> SolverClaim:
        """The solver's claim that a threshold cannot be met.

        Parameters
        ----------
        model
            Name of the model, such as ``"assignment model"``.
        threshold
            What was refuted.
        gap
            As for :meth:`solve`.
        """
        package = "highspy" if self._is_highs else "pulp"
        return SolverClaim(
            solver=f"{'HiGHS' if self._is_highs else self._class}, {model} in PuLP",
            version=f"{version(package)}" + ("" if self._is_highs else " (PuLP)"),
            threshold=threshold.value,
            parameters=self._options(gap),
        )

    def _options(self, gap: float | None) -> dict[str, str | int | float | bool]:
        options: dict[str, str | int | float | bool] = {**self._own, "threads": self._threads}
        if gap is not None:
            options |= {**_TIGHT, "mip_rel_gap": gap} if self._is_highs else {"gapRel": gap}
        return options


def placement_of(instance: Instance, x: list[dict[int, pulp.LpVariable]]) -> Placement | None:
    """The placement nearest to the values of the 0-1 variables, if it is a legal one."""
    gpu_of = [-max((v.varValue or 0.0, -g) for g, v in choices.items())[1] for choices in x]
    try:
        return Placement(instance, gpu_of)
    except InvalidPlacementError:
        return None
