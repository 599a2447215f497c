"""Placements of fleets with nodes: the engine runs with the choice of nodes fixed.

Patterns know types of GPUs, not nodes. Once it is fixed in which node the shards of
each model run, a node is only a restriction, which the engine can handle. So the nodes
of a placement are kept fixed, and the engine looks for the best placement that
respects them. The bound stays that of the fleet without nodes.
"""

from __future__ import annotations

from collections.abc import Collection

from kvpr_opt.patterns.engine import PatternEngine
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import pinned_bound
from kvpr_opt.search.tracker import Tracker


def search_within_nodes(tracker: Tracker, skip: Collection[str], threads: int) -> None:
    """Lower the incumbent by placements that keep shards and replicas in their current nodes.

    Parameters
    ----------
    tracker
        The run; it has an incumbent.
    skip, threads
        As for :class:`~kvpr_opt.patterns.engine.PatternEngine`.
    """
    incumbent = tracker.incumbent
    assert incumbent is not None, "there is a placement to start from"
    instance = tracker.instance
    decided = instance.under(instance.constraints.within_nodes(incumbent.gpu_of))
    scaled = decided.scaled
    if isinstance(scaled, ConstrainedInstance) and scaled.is_relaxed:
        return  # the engine could not tell a placement from a packing
    relay = _Relay(tracker, Placement(decided, incumbent.gpu_of))
    if not relay.done:
        PatternEngine(relay, skip, threads=threads).run()


class _Relay(Tracker):
    """The run on the fleet with fixed nodes; placements are passed on to the main run."""

    def __init__(self, main: Tracker, start: Placement) -> None:
        super().__init__(start.instance, main.limits, gap=main.target_gap)
        self._main = main
        super().offer(start, "incumbent")
        if main.bound is not None:
            self.raise_bound(main.bound, "bound without nodes")
        pinned = pinned_bound(start.instance.scaled)
        if pinned is not None:
            # Fixing nodes may pin more models; the engine relies on this bound.
            self.raise_bound(pinned, "pinned models")

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do, in this run or the main one."""
        return super().settled or self._main.settled

    def enter(self, stage: str) -> None:
        """Report in the main run what is being tried next."""
        self._main.enter(stage)

    def offer(self, placement: Placement, source: str) -> bool:
        """Accept a placement if it is better, and offer it to the main run."""
        if not super().offer(placement, source):
            return False
        self._main.offer(Placement(self._main.instance, placement.gpu_of), source)
        return True
