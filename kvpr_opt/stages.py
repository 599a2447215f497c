"""The stages of one run, in order: bounds, heuristic, search, levelling."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from kvpr_opt import heuristics
from kvpr_opt.certificates.evidence import ConstrainedVector, DualVector
from kvpr_opt.errors import NumericalError
from kvpr_opt.kernel_wait import KernelWait
from kvpr_opt.limits import Limits
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import fit_range
from kvpr_opt.search.bounds import counting_bound, pinned_bound, volume_bound
from kvpr_opt.search.infeasibility import cause
from kvpr_opt.search.oracle import Optimiser, Oracle
from kvpr_opt.search.threshold_search import threshold_search
from kvpr_opt.search.tracker import Tracker

if TYPE_CHECKING:
    from kvpr_opt.kernels import Group
    from kvpr_opt.patterns.engine import PatternEngine
    from kvpr_opt.patterns.lp.column_generation import PatternLP

_log = logging.getLogger(__name__)

#: Stages of this module that can be left out, in addition to those of the heuristic.
OWN_STAGES = (
    "counting_bound",
    "heuristic",
    "compiled_search",
    "lp_bound",
    "dives",
    "neighbourhoods",
    "exhaustive_search",
    "polish",
    "level",
)

#: Every stage that can be left out, by name.
STAGES: tuple[str, ...] = (*OWN_STAGES, *heuristics.STAGES)

#: Methods that use the pattern engine, and methods that are not formulations.
PATTERN_METHODS = ("auto", "branch_and_price")
OWN_METHODS = ("auto", "heuristic", "branch_and_price")

#: Work of the compiled local search before the pattern engine, and after its first questions if
#: these leave a gap: rounds of 2 to 10 ms, preceded by constructions for large fleets.
SEARCHES = ((20, 0),)
SPARSE_SEARCHES = ((3, 0), *SEARCHES)
LARGE_SEARCHES = ((20, 1), (400, 12))

#: Models per GPU up to which the first question usually ends the run.
SPARSE = 2

#: Relative gap up to which a polished warm start makes constructions unnecessary.
NEAR = Fraction(1, 5)

#: Number of GPUs from which constructions are worthwhile.
CONSTRUCT_FROM = 200

#: Relative gap at which the pattern engine stops if it does not see all models.
BLIND_GAP = Fraction(1, 2**20)

#: The formulation that ``method="auto"`` falls back to when the pattern engine gives up.
DEFAULT_FORMULATION = "assignment_cpsat"

#: Models times GPUs up to which the LP is asked before any search.
SMALL = 400


class SolveRun:
    """One run; each stage returns at once when nothing is left to do.

    Parameters
    ----------
    tracker
        Receives every placement and bound, and holds the limits.
    method
        As in :func:`kvpr_opt.solve`.
    seed, threads
        For the solver.
    skip
        Stages to leave out.

    Attributes
    ----------
    statistics
        What the stages report, as plain data.
    remarks
        Warnings given to the user.
    """

    def __init__(
        self, tracker: Tracker, method: str, *, seed: int, threads: int, skip: frozenset[str]
    ) -> None:
        self.tracker = tracker
        self.statistics: dict[str, Any] = {}
        self.remarks: list[str] = []
        self._method = method
        self._seed = seed
        self._threads = threads
        self._skip = skip
        self._skip_in_heuristic = skip.difference(OWN_STAGES)
        self._engine: PatternEngine | None = None
        self._kernels = KernelWait(tracker, partial(self._remark, "kernels"))
        # Whether the run started near the optimum; see `_starts_near`.
        self._near = False

    def run(self, warm_start: Placement | None) -> str:
        """Run all stages; return the cause of infeasibility, or an empty string."""
        scaled = self.tracker.instance.scaled
        self.tracker.raise_bound(volume_bound(scaled), "volume bound")
        pinned = pinned_bound(scaled)
        if pinned is not None:
            self.tracker.raise_bound(pinned, "pinned models")
        if warm_start is not None:
            self.tracker.offer(warm_start, "warm start")
        self._place(warm_start)
        self._counting_bound()
        self._search()
        self._prove()
        self._lift()
        self._level()
        return self._cause()

    def _place(self, warm_start: Placement | None) -> None:
        # Does not check the time limit: the first construction takes milliseconds,
        # and there must be an answer.
        if "heuristic" in self._skip or self.tracker.settled:
            return
        self.tracker.enter("heuristic")
        if self._starts_near(warm_start):
            return
        skip = self._skip_in_heuristic
        if self._large and self._method in PATTERN_METHODS and self._kernels.ready("local search"):
            # The compiled construction does in a second what the other stages do in ten.
            skip = skip.union(heuristics.STAGES).difference(heuristics.FIRST_STAGES - self._skip)
        outcome = heuristics.run(
            self.tracker.instance,
            skip=skip,
            limits=self.tracker.limits,
            on_candidate=self.tracker.offer,
        )
        if outcome.placement is not None:
            self.tracker.offer(outcome.placement, "heuristic")
        self.statistics["stages_run"] = list(outcome.stages_run)
        self.statistics["stages_left_out"] = dict(outcome.stages_left_out)

    def _starts_near(self, warm_start: Placement | None) -> bool:
        """Whether a warm start, once polished, makes constructions unnecessary.

        Only if the engine follows and improves it further. For a fleet that was solved before
        and has changed a little, the polished placement is all that is needed.
        """
        tracker = self.tracker
        if warm_start is None or self._method not in PATTERN_METHODS or tracker.incumbent is None:
            return False
        if "polish" not in self._skip:
            # Skip the steps that lower GPUs other than the worst: they cost most and gain little.
            skip = self._skip_in_heuristic | {"relief"}
            polished = heuristics.polish(warm_start, skip=skip, limits=tracker.limits)
            tracker.offer(polished, "polish")
        gap = tracker.gap
        self._near = gap is not None and gap <= NEAR
        return self._near

    def _counting_bound(self) -> None:
        if "counting_bound" in self._skip or self.tracker.done:
            return
        found = counting_bound(self.tracker.instance.scaled, self.tracker.limits)
        if found is not None:
            self.tracker.raise_bound(found, "counting bound")

    def _search(self) -> None:
        if self._method == "heuristic" or self.tracker.done:
            return
        if self._method in PATTERN_METHODS:
            if not self._kernels.ready(*self._needed):
                self._without_kernels()
            if self._kernels.ready("patterns") and not self.tracker.done:
                self._pattern_methods()
        if self._method != "branch_and_price" and not self.tracker.done:
            self._threshold_search()

    # -- a machine on which the kernels are not compiled yet ---------------------------

    @property
    def _needed(self) -> tuple[Group, ...]:
        """The kernels that the pattern methods need first; others may become ready later."""
        return ("patterns", "local search") if self._large else ("patterns",)

    def _without_kernels(self) -> None:
        """Work without kernels while these are compiled in the background."""
        # Lazy imports, here and below: compiled code and solvers take longer to load
        # than a small fleet takes to place.
        from kvpr_opt import kernels

        compiler = self._kernels.start_compiler()
        with kernels.interpreted():
            self._ask_first()
        if self._method == "auto" and not self.tracker.done:
            self._threshold_search(lambda: compiler.over or self._kernels.ready(*self._needed))
        self._kernels.wait_for(*self._needed)

    # -- the pattern engine ------------------------------------------------------------

    def _ask_first(self) -> None:
        """Ask whether the LP refutes all below the placement at hand, on small fleets only.

        There it takes milliseconds, and ends most runs: the heuristic is often optimal.
        """
        if self._small and not self._relaxed and not self.tracker.done:
            engine = self._engine_for_all_models()
            try:
                if engine is not None:
                    engine.ask_first()
            except NumericalError:
                self._engine = None  # a new one asks again, and reports it

    def _pattern_methods(self) -> None:
        from kvpr_opt.patterns.problem import beyond_patterns

        scaled = self.tracker.instance.scaled
        counts = [len(group.models) for group in scaled.classes]
        too_large = beyond_patterns(counts, len(scaled.types))
        if too_large:
            self._remark("pattern_engine", f"left out: {too_large}")
        searches = LARGE_SEARCHES if self._large else SPARSE_SEARCHES if self._sparse else SEARCHES
        waiting = list(searches)

        def search_on() -> None:
            if waiting:
                self._compiled_search(*waiting.pop(0))

        if not self._near and (too_large or not self._constructs):
            if not too_large:
                self._ask_first()
            search_on()
        if not too_large:
            self._pattern_engine(search_on)
        search_on()  # if the engine did not call it

    def _compiled_search(self, rounds: int, constructions: int) -> None:
        if "compiled_search" in self._skip or self.tracker.done:
            return
        if not self._kernels.ready("local search"):
            return
        from kvpr_opt import local_search

        self.tracker.enter("compiled local search")
        instance, limits = self.tracker.instance, self.tracker.limits
        if constructions and not self._constrained:
            local_search.construct(
                instance,
                seed=self._seed,
                limits=limits,
                attempts=constructions,
                on_improvement=self._offer_compiled,
            )
        local_search.search(
            instance,
            start=self.tracker.incumbent,
            seed=self._seed,
            limits=limits,
            rounds=rounds,
            bound=self.tracker.bound_value,
            on_improvement=self._offer_compiled,
        )

    @property
    def _small(self) -> bool:
        """Whether a question takes milliseconds, or seconds without compiled kernels."""
        instance = self.tracker.instance
        return len(instance.models) * len(instance.gpus) <= SMALL

    @property
    def _relaxed(self) -> bool:
        """Whether patterns model only some of the constraints."""
        scaled = self.tracker.instance.scaled
        return isinstance(scaled, ConstrainedInstance) and scaled.is_relaxed

    @property
    def _constrained(self) -> bool:
        """Whether the fleet has constraints."""
        return bool(self.tracker.instance.constraints)

    @property
    def _large(self) -> bool:
        return len(self.tracker.instance.gpus) >= CONSTRUCT_FROM

    @property
    def _sparse(self) -> bool:
        """Whether the LP is likely to settle the fleet after a short local search."""
        instance = self.tracker.instance
        return not self._large and len(instance.models) <= SPARSE * len(instance.gpus)

    @property
    def _constructs(self) -> bool:
        """Whether the engine constructs better placements before any local search is done."""
        from kvpr_opt.patterns.continuous import suits_beam_search
        from kvpr_opt.patterns.engine import is_large

        scaled = self.tracker.instance.scaled
        wanted = not self._skip & {"dives", "lp_bound"}
        return wanted and is_large(scaled) and suits_beam_search(scaled)

    def _offer_compiled(self, placement: Placement) -> None:
        self.tracker.offer(placement, "compiled local search")

    def _pattern_engine(self, local_search: Callable[[], None]) -> None:
        if self.tracker.done:
            return
        if self._relaxed:
            self._relaxed_engine()
            return
        engine = self._engine_for_all_models()
        if engine is not None:
            self._run_engine(partial(engine.run, local_search))
        elif self.tracker.value_to_beat is not None:
            from kvpr_opt.patterns.engine import PatternEngine

            with self.tracker.content_with(BLIND_GAP):
                self._run_engine(PatternEngine(self.tracker, self._skip).run)

    def _engine_for_all_models(self) -> PatternEngine | None:
        """The pattern engine, unless it would ignore models that are rounded to nothing."""
        from kvpr_opt.patterns.engine import PatternEngine
        from kvpr_opt.patterns.problem import RANGE_BITS

        tracker = self.tracker
        scaled, value = tracker.instance.scaled, tracker.value_to_beat
        threshold = scaled.finite() if value is None else scaled.below(value)
        whole = scaled.packing(threshold)
        rounded = fit_range(whole, RANGE_BITS)
        if any(size and not small for size, small in zip(whole.sizes, rounded.sizes, strict=True)):
            return None
        if self._engine is None:
            self._engine = PatternEngine(tracker, self._skip, threads=self._threads)
        return self._engine

    def _relaxed_engine(self) -> None:
        """Find bounds that ignore nodes, and placements that keep the incumbent's nodes."""
        from kvpr_opt.patterns.engine import PatternEngine
        from kvpr_opt.patterns.nodes import search_within_nodes

        self._engine = PatternEngine(self.tracker, self._skip, threads=self._threads)
        self._run_engine(self._engine.raise_bound)
        if self.tracker.incumbent is not None and not self.tracker.done:
            self._run_engine(partial(search_within_nodes, self.tracker, self._skip, self._threads))

    def _run_engine(self, run: Callable[[], None]) -> None:
        """Run the pattern engine; if its LP fails, report that and leave the rest to others."""
        try:
            run()
        except NumericalError as error:
            self._remark("pattern_engine", f"gave up: {error}")

    def _remark(self, key: str, text: str) -> None:
        """Warn the user at once about a stage that failed, and record it in the result, once."""
        if self.statistics.get(key) == text:
            return
        self.statistics[key] = text
        shown = f"{key.replace('_', ' ')} {text}" if key == "pattern_engine" else text
        if self.tracker.limits.remaining == math.inf:
            shown += "; without a time limit the run may take any time, Ctrl-C ends it"
        self.remarks.append(shown)
        _log.warning("%s", shown)
        self.tracker.enter(shown)

    def _prove(self) -> None:
        """Look for a proof if the best bound is a solver's claim, and for a shorter proof."""
        bound, limits = self.tracker.bound, self.tracker.limits
        if bound is None or limits.stopped:
            return
        if bound.evidence.certified and not isinstance(
            bound.evidence, DualVector | ConstrainedVector
        ):
            return
        # Lazy import: fleets settled by simple bounds need no compiled code.
        from kvpr_opt import kernels
        from kvpr_opt.patterns.proofs.case_proof import prove_bound, shorten_proof

        refutation = None if self._engine is None else self._engine.refutation
        prove = partial(prove_bound, self.tracker, self._lp, refutation)
        if not self._kernels.ready("patterns"):
            if self._small:
                with kernels.interpreted():
                    self._run_engine(prove)
            proved = self.tracker.bound is not None and self.tracker.bound.evidence.certified
            # A formulation needs no kernels and should not wait for them.
            if proved or self._method not in PATTERN_METHODS:
                return
            if not self._kernels.wait_for("patterns", proving=True):
                return
        self._run_engine(prove)
        shorten_proof(self.tracker, self._lp, limits)

    def _lift(self) -> None:
        """Raise a bound of the rounded fleet to the incumbent's exact value, if that holds."""
        tracker = self.tracker
        incumbent, bound = tracker.incumbent, tracker.certified_bound
        if incumbent is None or bound is None or tracker.gap_reached or not tracker.settled:
            return
        from kvpr_opt.certificates.lifting import lift

        tracker.enter("exact value of the bound")
        lifted = lift(incumbent, bound, tracker.limits)
        if lifted is not None:
            tracker.raise_bound(lifted, "exact value of the bound")

    def shorten(self, limits: Limits) -> None:
        """Look for smaller numbers in the proof of the best bound, if the engine has run."""
        if self._lp is not None:
            from kvpr_opt.patterns.proofs.case_proof import shorten_proof

            shorten_proof(self.tracker, self._lp, limits)

    @property
    def _lp(self) -> PatternLP | None:
        """The pattern LP of the engine, with the patterns found so far."""
        return None if self._engine is None else self._engine.lp

    def _threshold_search(self, over: Callable[[], bool] = lambda: False) -> None:
        self.tracker.enter("starting the solver")
        formulation = self._formulation(self._method)
        if isinstance(formulation, Optimiser):
            self._optimise(formulation)
            return
        limits = self.tracker.limits.until(over)
        answers = threshold_search(self.tracker, formulation, polish=self._polish, limits=limits)
        self.statistics["answers"] = answers

    def _optimise(self, optimiser: Optimiser) -> None:
        """Run the optimiser once; if it had no start, run it again from its first placement."""
        blind = True
        while blind and not self.tracker.done:
            blind = self.tracker.incumbent is None
            self.tracker.enter(optimiser.name)
            found = optimiser.improve(
                self.tracker.limits,
                incumbent=self.tracker.incumbent,
                bound=self.tracker.bound_value,
                gap=self.tracker.target_gap,
            )
            self.statistics["optimiser"] = found.reason
            if found.placement is not None:
                self.tracker.offer(found.placement, optimiser.name)
                self.tracker.offer(self._polish(found.placement), "polish")
            if found.bound is not None:
                self.tracker.raise_bound(found.bound, optimiser.name)
            blind = blind and self.tracker.incumbent is not None

    def _oracle(self, instance: Instance | None = None) -> Oracle:
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
        instance = instance or self.tracker.instance
        return create(name, instance, seed=self._seed, threads=self._threads)

    def _polish(self, placement: Placement) -> Placement:
        if "polish" in self._skip:
            return placement
        return heuristics.polish(
            placement, skip=self._skip_in_heuristic, limits=self.tracker.limits
        )

    def _level(self) -> None:
        incumbent = self.tracker.incumbent
        if incumbent is None or "level" in self._skip or self.tracker.limits.stopped:
            return
        self.tracker.enter("lowering the next-worst GPUs")
        self.tracker.refine(heuristics.level(incumbent, limits=self.tracker.limits))

    def _cause(self) -> str:
        bound = self.tracker.bound
        if bound is None or bound.value != math.inf:
            found = self.tracker.incumbent is not None
            return "" if found else "no placement found; none is ruled out"
        return cause(self.tracker.instance, bound.evidence, self._oracle, self.tracker.limits)
