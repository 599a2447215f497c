"""The stages that work with compiled kernels: local search, the pattern engine, its proofs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from kvpr_opt.certificates.evidence import ConstrainedVector, DualVector
from kvpr_opt.errors import NumericalError
from kvpr_opt.limits import Limits
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import fit_range
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.stages.kernel_wait import KernelWait

if TYPE_CHECKING:
    from kvpr_opt.patterns.engine import PatternEngine
    from kvpr_opt.patterns.lp.column_generation import PatternLP

#: Work of the compiled local search before the pattern engine, and after its first questions if
#: these leave a gap: rounds of 2 to 10 ms, preceded by constructions for large fleets.
SEARCHES = ((20, 0),)
SPARSE_SEARCHES = ((3, 0), *SEARCHES)
LARGE_SEARCHES = ((20, 1), (400, 12))

#: Models per GPU up to which the first question usually ends the run.
SPARSE = 2

#: Number of GPUs from which constructions are worthwhile.
CONSTRUCT_FROM = 200

#: Relative gap at which the pattern engine stops if it does not see all models.
BLIND_GAP = Fraction(1, 2**20)

#: Models times GPUs up to which the LP is asked before any search.
SMALL = 400


class PatternStage:
    """The pattern engine of a run, and the compiled local search.

    Lazy imports throughout: compiled code and solvers take longer to load than a small fleet
    takes to place.

    Parameters
    ----------
    tracker
        Receives every placement and bound, and holds the limits.
    skip
        Stages to leave out.
    seed, threads
        Of the run.
    kernels
        Whether the compiled code can be called.
    remark
        Receives a key and a warning for the user.
    """

    def __init__(
        self,
        tracker: Tracker,
        skip: frozenset[str],
        *,
        seed: int,
        threads: int,
        kernels: KernelWait,
        remark: Callable[[str, str], None],
    ) -> None:
        self._tracker, self._skip = tracker, skip
        self._seed, self._threads = seed, threads
        self._kernels, self._remark = kernels, remark
        self._engine: PatternEngine | None = None

    def ask_first(self) -> None:
        """Ask whether the LP refutes all below the placement at hand, on small fleets only.

        There it takes milliseconds, and ends most runs: the heuristic is often optimal.
        """
        if self._small and not self._relaxed and not self._tracker.done:
            engine = self._engine_for_all_models()
            try:
                if engine is not None:
                    engine.ask_first()
            except NumericalError:
                self._engine = None  # a new one asks again, and reports it

    def run(self, *, near: bool) -> None:
        """Run engine and local search.

        Parameters
        ----------
        near
            Whether a warm start makes the first local search unnecessary.
        """
        from kvpr_opt.patterns.problem import beyond_patterns

        scaled = self._tracker.instance.scaled
        counts = [len(group.models) for group in scaled.classes]
        too_large = beyond_patterns(counts, len(scaled.types))
        if too_large:
            self._remark("pattern_engine", f"left out: {too_large}")
        searches = (
            LARGE_SEARCHES if self.is_large else SPARSE_SEARCHES if self._sparse else SEARCHES
        )
        waiting = list(searches)

        def search_on() -> None:
            if waiting:
                self._compiled_search(*waiting.pop(0))

        search_first = not near and (too_large or not self._constructs)
        together = search_first and not too_large and self._asks_meanwhile
        if search_first and not together:
            if not too_large:
                self.ask_first()
            search_on()
        if not too_large:
            self._pattern_engine(search_on, together=together)
        search_on()  # if the engine did not call it

    def _compiled_search(self, rounds: int, constructions: int) -> None:
        if "compiled_search" in self._skip or self._tracker.done:
            return
        if not self._kernels.ready("local search"):
            return
        from kvpr_opt import local_search

        self._tracker.enter("compiled local search")
        instance, limits = self._tracker.instance, self._tracker.limits
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
            start=self._tracker.incumbent,
            seed=self._seed,
            limits=limits,
            rounds=rounds,
            bound=self._tracker.bound_value,
            on_improvement=self._offer_compiled,
        )

    @property
    def _small(self) -> bool:
        """Whether a question takes milliseconds, or seconds without compiled kernels."""
        instance = self._tracker.instance
        return len(instance.models) * len(instance.gpus) <= SMALL

    @property
    def _relaxed(self) -> bool:
        """Whether patterns model only some of the constraints."""
        scaled = self._tracker.instance.scaled
        return isinstance(scaled, ConstrainedInstance) and scaled.is_relaxed

    @property
    def _constrained(self) -> bool:
        """Whether the fleet has constraints."""
        return bool(self._tracker.instance.constraints)

    @property
    def is_large(self) -> bool:
        """Whether the compiled construction does in a second what other stages do in ten."""
        return len(self._tracker.instance.gpus) >= CONSTRUCT_FROM

    @property
    def _sparse(self) -> bool:
        """Whether the LP is likely to settle the fleet after a short local search."""
        instance = self._tracker.instance
        return not self.is_large and len(instance.models) <= SPARSE * len(instance.gpus)

    @property
    def _constructs(self) -> bool:
        """Whether the engine constructs better placements before any local search is done."""
        from kvpr_opt.patterns.continuous import suits_beam_search
        from kvpr_opt.patterns.engine import is_large

        scaled = self._tracker.instance.scaled
        wanted = not self._skip & {"dives", "lp_bound"}
        return wanted and is_large(scaled) and suits_beam_search(scaled)

    @property
    def _asks_meanwhile(self) -> bool:
        """Whether the engine asks the LP in one thread while another does a local search."""
        if self._threads == 1 or self._relaxed or self._tracker.incumbent is None:
            return False
        engine = self._engine_for_all_models()
        return engine is not None and engine.shares_work

    def _offer_compiled(self, placement: Placement) -> None:
        self._tracker.offer(placement, "compiled local search")

    def _pattern_engine(self, local_search: Callable[[], None], *, together: bool) -> None:
        if self._tracker.done:
            return
        if self._relaxed:
            self._relaxed_engine()
            return
        engine = self._engine_for_all_models()
        if engine is not None:
            self._run_engine(partial(engine.run, local_search, search_first=together))
        elif self._tracker.value_to_beat is not None:
            from kvpr_opt.patterns.engine import PatternEngine

            with self._tracker.content_with(BLIND_GAP):
                self._run_engine(PatternEngine(self._tracker, self._skip).run)

    def _engine_for_all_models(self) -> PatternEngine | None:
        """The pattern engine, unless it would ignore models that are rounded to nothing."""
        from kvpr_opt.patterns.engine import PatternEngine
        from kvpr_opt.patterns.problem import RANGE_BITS

        tracker = self._tracker
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

        self._engine = PatternEngine(self._tracker, self._skip, threads=self._threads)
        self._run_engine(self._engine.raise_bound)
        if self._tracker.incumbent is not None and not self._tracker.done:
            self._run_engine(partial(search_within_nodes, self._tracker, self._skip, self._threads))

    def _run_engine(self, run: Callable[[], None]) -> None:
        """Run the pattern engine; if its LP fails, report that and leave the rest to others."""
        try:
            run()
        except NumericalError as error:
            self._remark("pattern_engine", f"gave up: {error}")

    def prove(self, *, wait: bool) -> None:
        """Look for a proof if the best bound is a solver's claim, and for a shorter proof.

        Parameters
        ----------
        wait
            Whether to wait for kernels that are not compiled yet.
        """
        bound, limits = self._tracker.bound, self._tracker.limits
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
        prove = partial(prove_bound, self._tracker, self._lp, refutation)
        if not self._kernels.ready("patterns"):
            if self._small:
                with kernels.interpreted():
                    self._run_engine(prove)
            proved = self._tracker.bound is not None and self._tracker.bound.evidence.certified
            # A formulation needs no kernels and should not wait for them.
            if proved or not wait:
                return
            if not self._kernels.wait_for("patterns", proving=True):
                return
        self._run_engine(prove)
        shorten_proof(self._tracker, self._lp, limits)

    def shorten(self, limits: Limits) -> None:
        """Look for smaller numbers in the proof of the best bound, if the engine has run."""
        if self._lp is not None:
            from kvpr_opt.patterns.proofs.case_proof import shorten_proof

            shorten_proof(self._tracker, self._lp, limits)

    @property
    def _lp(self) -> PatternLP | None:
        """The pattern LP of the engine, with the patterns found so far."""
        return None if self._engine is None else self._engine.lp
