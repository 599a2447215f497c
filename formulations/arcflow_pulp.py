"""Arc-flow formulation of a threshold in PuLP, solved by HiGHS.

A GPU is a path through a graph of loads; models are packed where flow runs.
Name another solver that PuLP can call to use it instead of HiGHS:
``arcflow_pulp:cbc``.

Data
    Classes c in C of models of equal item size w_c > 0: n_c of them. Types k in K
    of equal GPUs: G_k of them, of capacity W_k. The integers ``w = f a_i + a m_i``
    and ``W_k = a C_k`` are those of the threshold t = a / f (see
    :mod:`kvpr_opt.problem.scaled`). The slack is S = sum_k G_k W_k - sum_c n_c w_c.

Sets
    V, the nodes: states of a GPU between two classes, in falling order of size.
    o is the target; s_k in V is the entry of the GPUs of type k.
    A, the arcs (u, v, c, j): j models of class c, 0 <= j <= n_c, lead from u to v;
    those with j = 0 are the loss arcs. The paths from s_k to o are the patterns
    of type k that waste at most S (see :mod:`formulations.arcflow_graph`).

Variables
    f_e in {0, 1, 2, ...}, at most n_c / j: flow on the arc e = (u, v, c, j).
    z_k in {0, ..., G_k}: GPUs of type k in use.

Constraints
    (1)  sum_{e out of v} f_e - sum_{e into v} f_e = sum_{k: s_k = v} z_k
                                                  for all v in V but o    what enters leaves
    (2)  sum_{e = (u, v, c, j)} j f_e = n_c       for all c in C          every model once
    (3)  z_k = 0                                  for k in K without a pattern

Objective
    None: any solution answers the question.

Size
    |A| + |K| variables, |V| + |C| - 1 constraints at least. Where sizes are few or GPUs hold
    few models the graph is small: near the optimum about 400 arcs for 24 different
    models on 8 GPUs, 1,400 for 32 on 8, 5,000 for 48 on 12. Above :data:`MAX_ARCS`
    it is built on a coarser grid, below.

Validity
    An integer flow of z_k units out of each s_k decomposes into as many paths, hence
    into patterns that fit; by (2) they hold every model once. Conversely, a
    placement within t gives each GPU a pattern, and none wastes more than S,
    since S is the total waste.

    The solver's doubles never see a size, only numbers of copies. The graph is
    exact for sizes of any length. Where it would be too large, all sizes and
    capacities are divided by one number and rounded down, which loses no packing
    (see :func:`kvpr_opt.problem.scaled.fit_range`): "infeasible" still holds, a
    solution is re-evaluated, and the answer is "unknown" if it does not hold.

Strength
    With no bound on the waste, and none on the f_e, the LP relaxation is the pattern
    LP of Gilmore and Gomory, since a fractional flow also decomposes into patterns;
    those bounds only exclude solutions. The volume bound is weaker.

Reference
    Valerio de Carvalho (1999), Exact solution of bin-packing problems using
    column generation and branch-and-bound, Annals of Operations Research 86,
    629-659, doi:10.1023/A:1018952112615. Brandao and Pedroso (2016), Bin packing
    and related problems: general arc-flow formulation with graph compression,
    Computers & Operations Research 69, 56-67, doi:10.1016/j.cor.2015.11.009.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pulp

from formulations.arcflow_graph import TARGET, Arc, Network, network_of
from formulations.backends.pulp_catalogue import DEFAULT_SOLVER
from formulations.backends.pulp_solvers import PulpSolver
from formulations.model_file import Exported
from kvpr_opt.certificates.evidence import Counting, Volume
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.limits import Limits, LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, Threshold, fit_range
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown, Verdict

#: Graphs with more arcs are abandoned, when solving and when exporting. HiGHS reacts to a stop
#: only at intervals, which reach seconds on larger graphs.
MAX_ARCS, MAX_ARCS_EXPORTED = 4_000, 200_000

#: Grids for graphs that are too large, finest first: units of an average GPU, at least.
_GRIDS = (4096, 1024, 256)

#: Nodes of the branch-and-bound tree for one unit of budget.
_NODES_PER_UNIT = 100


class Formulation:
    """The arc-flow model of one instance, rebuilt for each threshold.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use.
    solver
        Its name; see :mod:`formulations.backends.pulp_catalogue`.
    """

    name = "arcflow_pulp"

    def __init__(
        self,
        instance: Instance,
        *,
        seed: int = 0,
        threads: int = 1,
        solver: str = DEFAULT_SOLVER,
    ) -> None:
        self.instance = instance
        self.solver = PulpSolver(solver, seed=seed, threads=threads)

    def decide(
        self,
        threshold: Threshold,
        limits: LimitsView,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold, as an :class:`~kvpr_opt.search.oracle.Oracle`; no hint is used."""
        exact = self.instance.scaled.packing(threshold)
        largest = max(exact.capacities)
        for i, size in enumerate(exact.sizes):
            if size > largest:
                return Infeasible(Counting((i,)))
        if sum(exact.sizes) > sum(exact.capacities):
            return Infeasible(Volume())
        for problem in _from_fine_to_coarse(exact):
            if not any(problem.sizes):
                break
            network = network_of(self.instance.scaled, problem, limits, MAX_ARCS)
            if network is not None:
                return self._solve(network, threshold, limits, budget)
            if limits.stopped:
                return Unknown("stopped while the graph was built")
        else:
            return Unknown(f"more than {MAX_ARCS} arcs, on the coarsest grid, too", final=True)
        return self._checked([0] * len(exact.sizes), threshold)

    def _solve(
        self, network: Network, threshold: Threshold, limits: LimitsView, budget: float | None
    ) -> Verdict:
        model = _ArcFlowModel(network)
        nodes = None if budget is None else int(budget * _NODES_PER_UNIT)
        termination = self.solver.solve(model.model, limits, nodes=nodes)
        if termination.infeasible:
            return Infeasible(self.solver.claim(f"arc-flow model{network.grid}", threshold))
        if not termination.solved:
            return Unknown(termination.message, final=termination.final)
        gpu_of = model.solution(len(self.instance.models))
        if gpu_of is None:
            return Unknown("the flow is not whole", final=True)
        return self._checked(gpu_of, threshold)

    def _checked(self, gpu_of: Sequence[int], threshold: Threshold) -> Verdict:
        """Accept the placement if it is legal and meets the threshold in exact arithmetic."""
        try:
            placement = Placement(self.instance, gpu_of)
        except InvalidPlacementError as error:
            return Unknown(f"the solution holds on the grid only: {error}", final=True)
        if not placement.meets(threshold):
            return Unknown("the solution holds on the grid only", final=True)
        return Feasible(placement)

    def exported(self, threshold: Threshold) -> Exported:
        """The model of a threshold for other solvers, on the exact graph.

        Raises
        ------
        InputError
            If the graph is too large.
        """
        exact = self.instance.scaled.packing(threshold)
        network = network_of(self.instance.scaled, exact, Limits(), MAX_ARCS_EXPORTED)
        if network is None:
            raise InputError(
                f"at this threshold the graph has more than {MAX_ARCS_EXPORTED} arcs: choose "
                "a lower threshold, or another formulation",
                place="threshold",
            )
        model = _ArcFlowModel(network)
        return Exported(model.model, model.meaning(self.instance))


def _from_fine_to_coarse(exact: PackingProblem) -> Iterator[PackingProblem]:
    """The problem itself, then rounded to ever coarser grids."""
    yield exact
    for units in _GRIDS:
        rounded = fit_range(exact, (units * len(exact.capacities)).bit_length())
        if not rounded.exact:
            yield rounded


class _ArcFlowModel:
    """Variables and constraints, one method per family."""

    def __init__(self, network: Network) -> None:
        self.network, self.graph = network, network.graph
        self.model = pulp.LpProblem("arcflow", pulp.LpMinimize)
        self.model += pulp.lpSum([])
        self.z = [
            self.model.add_variable(f"z_{k}", 0, len(gpus), pulp.LpInteger)
            for k, gpus in enumerate(network.gpus)
        ]
        self.f = [
            self.model.add_variable(f"f_{e}", 0, self._most(arc), pulp.LpInteger)
            for e, arc in enumerate(network.graph.arcs)
        ]
        self._what_enters_leaves()
        self._every_model_once()
        self._none_of_a_type_without_patterns()

    def _most(self, arc: Arc) -> int:
        if arc.copies:
            return len(self.network.classes[arc.item]) // arc.copies
        return sum(map(len, self.network.gpus))

    def _what_enters_leaves(self) -> None:
        """(1)."""
        terms: list[list[tuple[pulp.LpVariable, int]]] = [[] for _ in range(self.graph.nodes)]
        for arc, f in zip(self.graph.arcs, self.f, strict=True):
            terms[arc.tail].append((f, 1))
            terms[arc.head].append((f, -1))
        for entry, z in zip(self.graph.entries, self.z, strict=True):
            if entry is not None:
                terms[entry].append((z, -1))
        for v, through in enumerate(terms):
            if v != TARGET:
                self.model += _sum(through) == 0, f"node_{v}"

    def _every_model_once(self) -> None:
        """(2)."""
        placed: list[list[tuple[pulp.LpVariable, int]]] = [[] for _ in self.network.classes]
        for arc, f in zip(self.graph.arcs, self.f, strict=True):
            if arc.copies:
                placed[arc.item].append((f, arc.copies))
        for c, models in enumerate(self.network.classes):
            self.model += _sum(placed[c]) == len(models), f"class_{c}"

    def _none_of_a_type_without_patterns(self) -> None:
        """(3)."""
        for k, (entry, z) in enumerate(zip(self.graph.entries, self.z, strict=True)):
            if entry is None:
                self.model += z == 0, f"unused_{k}"

    def meaning(self, instance: Instance) -> dict[str, str]:
        """The meaning of each variable, in the names of the fleet."""
        meaning = {}
        for z, gpus in zip(self.z, self.network.gpus, strict=True):
            meaning[z.name] = (
                f"GPUs in use of {len(gpus)} like {json.dumps(instance.gpus[gpus[0]].name)}"
            )
        for arc, f in zip(self.graph.arcs, self.f, strict=True):
            like = json.dumps(instance.models[self.network.classes[arc.item][0]].name)
            meaning[f.name] = (
                f"GPUs that go from node {arc.tail} to node {arc.head} with {arc.copies} of "
                f"{len(self.network.classes[arc.item])} models like {like}"
            )
        return meaning

    def solution(self, models: int) -> list[int] | None:
        """The GPU of each model, from the paths into which the flow decomposes.

        Models that need nothing belong to no class and go to the first GPU.
        ``None`` if the flow is not integral.
        """
        arcs, out = self.graph.arcs, self._arcs_out()
        left = [round(f.varValue or 0) for f in self.f]
        waiting = [list(members) for members in self.network.classes]
        gpu_of = [0] * models
        for entry, z, gpus in zip(self.graph.entries, self.z, self.network.gpus, strict=True):
            for gpu in gpus[: round(z.varValue or 0)]:
                node = entry
                while node is not None and node != TARGET:
                    e = next((e for e in out[node] if left[e]), None)
                    if e is None or arcs[e].copies > len(waiting[arcs[e].item]):
                        return None
                    left[e] -= 1
                    for _ in range(arcs[e].copies):
                        gpu_of[waiting[arcs[e].item].pop()] = gpu
                    node = arcs[e].head
        return None if any(waiting) else gpu_of

    def _arcs_out(self) -> list[list[int]]:
        out: list[list[int]] = [[] for _ in range(self.graph.nodes)]
        for e, arc in enumerate(self.graph.arcs):
            out[arc.tail].append(e)
        return out


def _sum(terms: list[tuple[pulp.LpVariable, int]]) -> pulp.LpAffineExpression:
    # PuLP 3 would accept the bare terms, PuLP 4 does not.
    return pulp.lpSum(number * variable for variable, number in terms)
