"""The stage in which a formulation is asked: one threshold after another, or for the optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.oracle import Optimiser, Oracle
from kvpr_opt.search.threshold_search import threshold_search
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.stages.kernel_wait import KernelWait
from kvpr_opt.stages.names import DEFAULT_FORMULATION, OWN_METHODS


class FormulationStage:
    """Asks the formulation of a method, or the default one, for what is left open.

    Parameters
    ----------
    tracker, method
        The run, and its method.
    seed, threads
        For the solver.
    kernels
        Some formulations need them.
    polish
        Improves a placement that was found.
    statistics
        Receives what the solver answered.
    remark
        Receives a key and a warning for the user.
    """

    def __init__(
        self,
        tracker: Tracker,
        method: str,
        *,
        seed: int,
        threads: int,
        kernels: KernelWait,
        polish: Callable[[Placement], Placement],
        statistics: dict[str, Any],
        remark: Callable[[str, str], None],
    ) -> None:
        self._tracker, self._method = tracker, method
        self._seed, self._threads = seed, threads
        self._kernels, self._polish = kernels, polish
        self._statistics, self._remark = statistics, remark

    def run(self, over: Callable[[], bool] = lambda: False) -> None:
        """Search for the threshold, or run the optimiser, until `over`.

        Parameters
        ----------
        over
            Returns whether to stop before the run does.
        """
        self._tracker.enter("starting the solver")
        formulation = self._formulation(self._method)
        if isinstance(formulation, Optimiser):
            self._optimise(formulation)
            return
        limits = self._tracker.limits.until(over)
        answers = threshold_search(self._tracker, formulation, polish=self._polish, limits=limits)
        self._statistics["answers"] = answers

    def _optimise(self, optimiser: Optimiser) -> None:
        """Run the optimiser once; if it had no start, run it again from its first placement."""
        blind = True
        while blind and not self._tracker.done:
            blind = self._tracker.incumbent is None
            self._tracker.enter(optimiser.name)
            found = optimiser.improve(
                self._tracker.limits,
                incumbent=self._tracker.incumbent,
                bound=self._tracker.bound_value,
                gap=self._tracker.target_gap,
            )
            self._statistics["optimiser"] = found.reason
            if found.placement is not None:
                self._tracker.offer(found.placement, optimiser.name)
                self._tracker.offer(self._polish(found.placement), "polish")
            if found.bound is not None:
                self._tracker.raise_bound(found.bound, optimiser.name)
            blind = blind and self._tracker.incumbent is not None

    def oracle(self, instance: Instance | None = None) -> Oracle:
        """Return an oracle for the fleet of the run, or for another one."""
        formulation = self._formulation(self._method, instance)
        if isinstance(formulation, Optimiser):
            formulation = self._formulation(DEFAULT_FORMULATION, instance)
        assert not isinstance(formulation, Optimiser)
        return formulation

    def _formulation(self, name: str, instance: Instance | None = None) -> Oracle | Optimiser:
        from formulations.registry import capabilities_of, create

        name = DEFAULT_FORMULATION if name in OWN_METHODS else name
        if capabilities_of(name).compiled and not self._kernels.wait_for("patterns"):
            if name == self._method:
                self._remark(
                    "formulation",
                    f"{name} needs compiled kernels; {DEFAULT_FORMULATION} ran in its place",
                )
            name = DEFAULT_FORMULATION
        instance = instance or self._tracker.instance
        return create(name, instance, seed=self._seed, threads=self._threads)
