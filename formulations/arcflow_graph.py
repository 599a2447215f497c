"""The graph of an arc-flow model: its paths are the patterns of the GPUs, equal states merged.

A state is a class of models, in falling order of size, and the load of a GPU by
the classes before. From it, an arc for every number of copies leads to a state of
the next class. Two things keep the graph small (Brandao and Pedroso 2016,
doi:10.1016/j.cor.2015.11.009, and Behle 2007, On threshold BDDs and the optimal
variable ordering problem, doi:10.1007/978-3-540-73556-4_15):

* states of one class from which the same arcs lead on are one node. These are the
  states whose loads lie in one interval; its upper end is the capacity less the
  longest path to the target. Merging across classes would lose the limits on
  copies, and with them some of the strength of the LP relaxation;
* where no copy can be taken, there is no node: arcs lead on to the next choice.

A smaller GPU is treated as one of the largest type that is partly occupied: every
GPU type has its own entry, and all share the rest of the graph. Loads are Python
integers, so numbers of any length are exact.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.scaled import PackingProblem, ScaledInstance

#: The node in which all paths end.
TARGET = 0

# States explored for each arc allowed.
_STATES_EACH = 5

# States between two checks of the limits.
_HEED_EVERY = 2000


class Arc(NamedTuple):
    """`copies` models of class `item`, placed between the nodes `tail` and `head`."""

    tail: int
    head: int
    item: int
    copies: int


@dataclass(frozen=True)
class Graph:
    """Nodes 0 to ``nodes - 1``, of which 0 is the target.

    Attributes
    ----------
    nodes
        How many there are.
    arcs
        In no particular order; the graph is acyclic.
    entries
        By GPU type, the node in which its paths begin; ``None`` where there are none.
    """

    nodes: int
    arcs: tuple[Arc, ...]
    entries: tuple[int | None, ...]


@dataclass(frozen=True)
class Network:
    """A graph, and what its items and entries stand for.

    Attributes
    ----------
    graph
        Its items are the classes below.
    classes
        Models of equal item size, by falling size.
    gpus
        GPUs of equal capacity.
    grid
        For the name of the model: empty where the graph is exact.
    """

    graph: Graph
    classes: tuple[tuple[int, ...], ...]
    gpus: tuple[tuple[int, ...], ...]
    grid: str


class _Interval(NamedTuple):
    """Loads that form one state: `node` is where they lead, ``None`` for nowhere."""

    low: int
    high: int
    node: int | None


class _TooLargeError(Exception):
    """More arcs or states than allowed, or stopped."""


def build(
    sizes: Sequence[int],
    counts: Sequence[int],
    capacities: Sequence[int],
    *,
    most_waste: int,
    most_arcs: int,
    limits: LimitsView,
) -> Graph | None:
    """The graph of all patterns that waste little enough.

    Parameters
    ----------
    sizes
        By class, decreasing; at least 1. Classes that fit no GPU get no arcs.
    counts
        How many models each class has.
    capacities
        By GPU type.
    most_waste
        How much of its capacity a pattern may leave unused.
    most_arcs
        ``None`` is returned where there are more.
    limits
        When to give up, likewise.
    """
    builder = _Builder(sizes, counts, max(capacities), most_waste, most_arcs, limits)
    try:
        states = [builder.state(0, builder.capacity - capacity) for capacity in capacities]
    except _TooLargeError:
        return None
    # A path that holds no model is useless.
    entries = tuple(None if state.node == TARGET else state.node for state in states)
    return Graph(builder.nodes, tuple(builder.arcs), entries)


def network_of(
    scaled: ScaledInstance, problem: PackingProblem, limits: LimitsView, most_arcs: int
) -> Network | None:
    """The graph of a packing problem, if it is small enough.

    Parameters
    ----------
    scaled
        The fleet, for its GPU types.
    problem
        Sizes by model and capacities by GPU.
    limits
        When to give up.
    most_arcs
        ``None`` is returned where there are more.
    """
    classes: dict[int, list[int]] = {}
    for i in sorted(range(len(problem.sizes)), key=lambda i: (-problem.sizes[i], i)):
        classes.setdefault(problem.sizes[i], []).append(i)
    classes.pop(0, None)  # needs nothing
    graph = build(
        list(classes),
        [len(models) for models in classes.values()],
        [problem.capacities[gpu_type.gpus[0]] for gpu_type in scaled.types],
        most_waste=sum(problem.capacities) - sum(problem.sizes),
        most_arcs=most_arcs,
        limits=limits,
    )
    if graph is None:
        return None
    return Network(
        graph=graph,
        classes=tuple(map(tuple, classes.values())),
        gpus=tuple(gpu_type.gpus for gpu_type in scaled.types),
        grid="" if problem.exact else f" on a grid of {max(problem.capacities)} units a GPU",
    )


class _Builder:
    """States by class, discovered depth first."""

    def __init__(
        self,
        sizes: Sequence[int],
        counts: Sequence[int],
        capacity: int,
        most_waste: int,
        most_arcs: int,
        limits: LimitsView,
    ) -> None:
        self.sizes = sizes
        self.capacity = capacity
        self.least = capacity - most_waste
        self.copies = [
            min(count, capacity // size) for size, count in zip(sizes, counts, strict=True)
        ]
        # By class, the most that it and all later classes can add to a load.
        self.to_come = [0]
        for size, copies in zip(reversed(sizes), reversed(self.copies), strict=True):
            self.to_come.append(self.to_come[-1] + size * copies)
        self.to_come.reverse()
        self.known: list[list[_Interval]] = [[] for _ in sizes]
        self.arcs: list[Arc] = []
        self.nodes = TARGET + 1
        self.states = 0
        self.most_arcs = most_arcs
        self.limits = limits

    def state(self, level: int, load: int) -> _Interval:
        """The interval of loads, before the class of this level, that a load is in.

        Depth first, with an explicit stack: a path is as long as the number of classes, which
        may exceed Python's recursion limit.
        """
        answer = self._settled(level, load)
        open_states = [] if answer is not None else [self._explore(level, load)]
        while open_states:
            try:
                asked = open_states[-1].send(answer)
            except StopIteration as explored:
                answer = explored.value
                open_states.pop()
                continue
            answer = self._settled(*asked)
            if answer is None:
                open_states.append(self._explore(*asked))
        assert answer is not None, "every state that is opened is explored"
        return answer

    def _settled(self, level: int, load: int) -> _Interval | None:
        """The interval, if it is trivial or already known."""
        if load > self.capacity:
            return _Interval(self.capacity + 1, 2 * self.capacity, None)
        if load + self.to_come[level] < self.least:
            return _Interval(0, self.least - self.to_come[level] - 1, None)
        if level == len(self.sizes):
            return _Interval(max(self.least, 0), self.capacity, TARGET)
        known = self.known[level]
        before = bisect_right(known, load, key=lambda interval: interval.low) - 1
        if before >= 0 and load <= known[before].high:
            return known[before]
        return None

    def _explore(
        self, level: int, load: int
    ) -> Generator[tuple[int, int], _Interval | None, _Interval]:
        """Explore a new state: request the states that follow it, one by one."""
        self._count()
        low, high = 0, self.capacity
        heads = []
        for copies in range(self.copies[level] + 1):
            added = copies * self.sizes[level]
            following = yield level + 1, load + added
            assert following is not None, "what was asked for is sent"
            low, high = max(low, following.low - added), min(high, following.high - added)
            if following.node is not None:
                heads.append((copies, following.node))
            if load + added > self.capacity:
                break
        interval = _Interval(low, high, self._node(level, heads))
        insort(self.known[level], interval, key=lambda interval: interval.low)
        return interval

    def _node(self, level: int, heads: list[tuple[int, int]]) -> int | None:
        """The node from which these arcs leave: a new one only if there is a choice."""
        if not heads:
            return None
        if heads[-1][0] == 0:
            return heads[-1][1]
        node = self.nodes
        self.nodes += 1
        self.arcs += [Arc(node, head, level, copies) for copies, head in heads]
        return node

    def _count(self) -> None:
        self.states += 1
        many = len(self.arcs) > self.most_arcs or self.states > self.most_arcs * _STATES_EACH
        if many or (self.states % _HEED_EVERY == 0 and self.limits.stopped):
            raise _TooLargeError
