"""The state of a run: the one place where incumbent and bound change."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.certificates.evidence import Evidence, LowerBound
from kvpr_opt.errors import SolverError
from kvpr_opt.limits import Limits
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """One event of a run.

    Attributes
    ----------
    seconds
        Since the start.
    stage
        What is being tried, or what caused the change.
    incumbent
        Maximum KVPR of the best placement so far, if there is one.
    lower_bound
        The best proven bound so far; ``math.inf`` once the fleet is proved infeasible.
    news
        Whether incumbent or bound changed with this event.
    """

    seconds: float
    stage: str
    incumbent: Fraction | None
    lower_bound: Fraction | float | None
    news: bool

    @property
    def gap(self) -> Fraction | None:
        """Relative gap, ``None`` if incumbent or bound is missing."""
        return relative_gap(self.incumbent, self.lower_bound)


class Tracker:
    """Incumbent and bound of one run; only this class changes, logs and reports them.

    Several threads may work on a run. Updates are applied and reported one at a time, by
    the thread that makes them.

    Parameters
    ----------
    instance
        The fleet.
    limits
        The deadline and stop flag of the run.
    gap
        The relative gap at which the run may stop.
    on_progress
        Called with every event. The run ends if it returns ``False`` or raises; the
        exception is kept as `callback_error`.

    Attributes
    ----------
    incumbent
        The best placement so far.
    value_to_beat
        The smallest maximum of all placements so far, in the whole numbers of the fleet that
        the algorithms work with. This is the incumbent's, unless the pressures are rounded:
        then it is slightly smaller and may belong to another placement.
    shortened
        The last proof that came of a search for smaller numbers, found or not.
    """

    def __init__(
        self,
        instance: Instance,
        limits: Limits,
        *,
        gap: Fraction = Fraction(0),
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self.instance = instance
        self.limits = limits
        self.target_gap = gap
        self.incumbent: Placement | None = None
        self.value_to_beat: Fraction | None = None
        self.bound: LowerBound | None = None
        self.certified_bound: LowerBound | None = None
        self.shortened: Evidence | None = None
        self.events: list[Progress] = []
        self.callback_error: Exception | None = None
        self._on_progress = on_progress
        self._lock = threading.RLock()

    @property
    def incumbent_value(self) -> Fraction | None:
        """Maximum KVPR of the incumbent."""
        if self.incumbent is None:
            return None
        value = self.incumbent.max_kvpr
        assert isinstance(value, Fraction), "an incumbent is finite"
        return value

    @property
    def bound_value(self) -> Fraction | float | None:
        """The best proven bound."""
        return None if self.bound is None else self.bound.value

    @property
    def bounds(self) -> list[LowerBound]:
        """The best certified bound and, if a solver claims a higher one, that one too."""
        if self.certified_bound is None or self.bound is None:
            return [] if self.bound is None else [self.bound]
        return [self.certified_bound, *([] if self.bound.evidence.certified else [self.bound])]

    @property
    def gap(self) -> Fraction | None:
        """Relative gap between incumbent and bound; ``None`` if either is missing."""
        return relative_gap(self.incumbent_value, self.bound_value)

    @property
    def settled(self) -> bool:
        """Whether no more can be done: gap reached, or proved infeasible.

        It is also settled if nothing below :attr:`value_to_beat` exists in the whole numbers
        of the fleet. If these are rounded, a gap as small as the rounding may be left.
        """
        bound = self.bound_value
        if bound == math.inf or self.gap_reached:
            return True
        return bound is not None and self.value_to_beat is not None and bound >= self.value_to_beat

    @property
    def gap_reached(self) -> bool:
        """Whether the gap between incumbent and bound is as small as requested."""
        gap = self.gap
        return gap is not None and gap <= self.target_gap

    @property
    def done(self) -> bool:
        """Whether to stop: settled, out of time or interrupted."""
        return self.settled or self.limits.stopped

    @contextmanager
    def content_with(self, gap: Fraction) -> Iterator[None]:
        """Accept a larger gap as settled, for a stage that cannot do better."""
        wanted = self.target_gap
        self.target_gap = max(wanted, gap)
        try:
            yield
        finally:
            self.target_gap = wanted

    def enter(self, stage: str) -> None:
        """Report what is being tried next."""
        with self._lock:
            self._report(stage, news=False)

    def offer(self, placement: Placement, source: str) -> bool:
        """Accept a placement as incumbent if it improves the best one.

        Returns
        -------
        bool
            Whether it was accepted, or lowered the value to beat.

        Raises
        ------
        SolverError
            If the placement is better than a bound claimed to be proved.
        """
        with self._lock:
            value = placement.max_kvpr
            if value == math.inf:
                return False
            lower = self._lower_value_to_beat(placement)
            if self.incumbent is not None and value >= self.incumbent.max_kvpr:
                return lower
            self.incumbent = placement
            self._report(source, news=True)
            self._check_consistency(source)
            return True

    def _lower_value_to_beat(self, placement: Placement) -> bool:
        value = placement.rounded_max_kvpr
        assert isinstance(value, Fraction), "no positive pressure is rounded to nothing"
        if self.value_to_beat is not None and value >= self.value_to_beat:
            return False
        self.value_to_beat = value
        return True

    def refine(self, placement: Placement) -> bool:
        """Replace the incumbent by a placement of no larger maximum KVPR."""
        with self._lock:
            if self.incumbent is None or placement.max_kvpr > self.incumbent.max_kvpr:
                return False
            self.offer(placement, "refinement")
            self.incumbent = placement
            return True

    def raise_bound(self, bound: LowerBound, source: str) -> bool:
        """Accept a bound if it improves the best one.

        Of two equal bounds the certified one is kept.

        Raises
        ------
        SolverError
            If a known placement is better than the bound.
        """
        with self._lock:
            if bound.evidence.certified and _above(bound, self.certified_bound):
                self.certified_bound = bound
            if not _above(bound, self.bound):
                if (
                    self.bound is not None
                    and bound.evidence.certified
                    and bound.value == self.bound.value
                ):
                    self.bound = bound
                return False
            self.bound = bound
            self._report(source, news=True)
            self._check_consistency(source)
            return True

    def restate(self, evidence: Evidence) -> None:
        """Replace the proof of the best certified bound by a shorter one."""
        with self._lock:
            assert self.certified_bound is not None, "there is a proof to shorten"
            assert evidence.certified, "a proof takes the place of a proof"
            shorter = LowerBound(self.certified_bound.value, evidence)
            if self.bound == self.certified_bound:
                self.bound = shorter
            self.certified_bound = shorter

    def _check_consistency(self, source: str) -> None:
        value, bound = self.incumbent_value, self.bound_value
        if value is not None and bound is not None and value < bound:
            raise SolverError(
                f"contradiction, found by {source}: a placement of max KVPR {_shown(value)} "
                f"exists, but {_shown(bound)} was claimed as a lower bound, by the evidence "
                f"{self.bound.evidence.kind if self.bound else None}"
            )

    def _report(self, stage: str, *, news: bool) -> None:
        event = Progress(self.limits.elapsed, stage, self.incumbent_value, self.bound_value, news)
        if news:
            self.events.append(event)
            _log.info(
                "%s: incumbent %s, bound %s",
                stage,
                _shown(event.incumbent),
                _shown(event.lower_bound),
            )
        self._tell(event)

    def _tell(self, event: Progress) -> None:
        """Call `on_progress`; if it returns ``False`` or raises, the run ends."""
        if self._on_progress is None:
            return
        try:
            if self._on_progress(event) is not False:
                return
        except Exception as error:
            self.callback_error = error
        self._on_progress = None
        self.limits.interrupt()


def _shown(value: Fraction | float | None) -> str:
    return "none" if value is None else f"{float(value):.9g}"


def _above(bound: LowerBound, other: LowerBound | None) -> bool:
    return other is None or bound.value > other.value
