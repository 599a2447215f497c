"""The solvers of the formulations that are written in PuLP, and what their answers are worth.

A formulation gets its solver by name (``assignment_pulp:highs``), hands it a model
and gets an :class:`~formulations.ending.Ending`. PuLP's own statuses are not passed on: it
reports a time limit or a missing file as "infeasible" or "optimal" in places. Here
only a real refutation is called infeasible.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import pulp

from formulations import pulp_highs
from formulations.ending import Ending
from kvpr_opt.errors import InvalidPlacementError, check_known
from kvpr_opt.evidence import SolverWord
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.placement import Placement
from kvpr_opt.scaled import Threshold

#: The solver of a formulation that is asked for without one.
DEFAULT_SOLVER = "highs"

#: Names that a user may give.
SOLVERS = (DEFAULT_SOLVER,)

#: A solver's parameters by its own names.
Options = Mapping[str, str | int | float | bool]


class PulpSolver:
    """One solver, as a formulation uses it.

    Parameters
    ----------
    name
        As the user gave it; one of :data:`SOLVERS`.
    seed, threads
        For the solver.

    Raises
    ------
    InputError
        If the name is not known.
    """

    def __init__(self, name: str = DEFAULT_SOLVER, *, seed: int = 0, threads: int = 1) -> None:
        check_solver(name)
        self.name = name
        self.parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "threads": threads,
        }

    def solve(
        self,
        model: pulp.LpProblem,
        limits: Limits,
        *,
        nodes: int | None = None,
        options: Options | None = None,
    ) -> Ending:
        """Solve a model; its variables then hold the best solution found, if any.

        Parameters
        ----------
        model
            The initial values of its variables, if all have one, are the start.
        limits
            When to stop.
        nodes
            Nodes of the branch-and-bound tree allowed.
        options
            For HiGHS, by its names.
        """
        chosen = {**self.parameters, **(options or {})}
        if nodes is not None:
            chosen["mip_max_nodes"] = max(1, nodes)
        return pulp_highs.solve(model, limits, chosen)

    def word(self, model: str, threshold: Threshold, options: Options | None = None) -> SolverWord:
        """The solver's word that a threshold cannot be met.

        Parameters
        ----------
        model
            Name of the model, such as ``"assignment model"``.
        threshold
            What was refuted.
        options
            As for :meth:`solve`.
        """
        return SolverWord(
            solver=f"HiGHS, {model} in PuLP",
            version=version("highspy"),
            threshold=threshold.value,
            parameters={**self.parameters, **(options or {})},
        )


def check_solver(name: str) -> None:
    """Refuse a solver that cannot be used.

    Raises
    ------
    InputError
        With the nearest known name.
    """
    check_known("solver", name, SOLVERS, place="method")


def placement_of(instance: Instance, x: list[dict[int, pulp.LpVariable]]) -> Placement | None:
    """The placement nearest to the values of 0-1 variables by model and GPU, if it is one."""
    gpu_of = [-max((v.varValue or 0.0, -g) for g, v in choices.items())[1] for choices in x]
    try:
        return Placement(instance, gpu_of)
    except InvalidPlacementError:
        return None
