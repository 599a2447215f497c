"""The formulations by name. A module is imported when its formulation is first asked for.

A new formulation is one file, as :mod:`formulations.template` shows it, and one
line in :data:`ENTRIES`; ``tests/formulations/test_conformance.py`` then runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from kvpr_opt.errors import InputError, check_known
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Capabilities, Infeasible, Optimiser, Oracle

if TYPE_CHECKING:
    from formulations.model_file import Exported
    from formulations.relocation_cpsat import RelocationModel

#: Between the name of a formulation and that of the solver to use for it.
SOLVER_MARK = ":"


class Entry(NamedTuple):
    """One formulation.

    Attributes
    ----------
    module
        The module of its class ``Formulation(instance, *, seed, threads)``. If the
        model is written in PuLP, the class also takes the name of a solver as
        ``solver`` and has a method ``exported``.
    capabilities
        What it can do.
    """

    module: str
    capabilities: Capabilities


#: Every formulation by its name.
ENTRIES: dict[str, Entry] = {
    "arcflow_pulp": Entry("formulations.arcflow_pulp", Capabilities(classes=True, export=True)),
    "assignment_cpsat": Entry(
        "formulations.assignment_cpsat", Capabilities(hints=True, constraints=True)
    ),
    "assignment_pulp": Entry("formulations.assignment_pulp", Capabilities(export=True)),
    "direct_cpsat": Entry("formulations.direct_cpsat", Capabilities(answers="optimum", hints=True)),
    "direct_pulp": Entry(
        "formulations.direct_pulp", Capabilities(answers="optimum", hints=True, export=True)
    ),
    "pattern_lp": Entry(
        "formulations.pattern_lp",
        Capabilities(classes=True, hints=True, proof="certified", complete=False, compiled=True),
    ),
    "setpartition_cpsat": Entry(
        "formulations.setpartition_cpsat", Capabilities(classes=True, compiled=True)
    ),
    "setpartition_highs": Entry(
        "formulations.setpartition_highs", Capabilities(classes=True, compiled=True)
    ),
}

#: Every name that :func:`create` accepts, before a solver's name.
NAMES: tuple[str, ...] = tuple(ENTRIES)

#: The formats of :func:`write_model`, by the suffix of the file.
SUFFIXES = (".lp", ".mps")

#: The formulations that decide one threshold at a time.
ORACLES: tuple[str, ...] = tuple(
    name for name, entry in ENTRIES.items() if entry.capabilities.answers == "threshold"
)

#: The formulations that minimise in one go.
OPTIMISERS: tuple[str, ...] = tuple(
    name for name, entry in ENTRIES.items() if entry.capabilities.answers == "optimum"
)


def create(name: str, instance: Instance, *, seed: int = 0, threads: int = 1) -> Oracle | Optimiser:
    """A formulation for one instance, by its name.

    Parameters
    ----------
    name
        One of :data:`NAMES`; where the model is written in PuLP, the name of a
        solver may follow, as in ``assignment_pulp:cbc``.
    instance
        The fleet that it answers for.
    seed, threads
        Passed on to the solver.

    Raises
    ------
    InputError
        For a name that is not known, a solver that is not installed, or a fleet with
        constraints that the formulation does not keep.
    """
    check_name(name)
    check_constraints(name, instance)
    base, mark, solver = name.partition(SOLVER_MARK)
    chosen = {"solver": solver} if mark else {}
    module = import_module(ENTRIES[base].module)
    made = module.Formulation(instance, seed=seed, threads=threads, **chosen)
    if ENTRIES[base].capabilities.answers == "threshold":
        return cast(Oracle, made)
    return cast(Optimiser, made)


def relocation(
    instance: Instance, home: Sequence[int], costs: Sequence[int], *, seed: int = 0
) -> RelocationModel:
    """The model that looks for placements within a budget of moves.

    Parameters
    ----------
    instance
        The fleet.
    home
        By model, the number of the GPU on which it runs now; negative for nowhere.
    costs
        By model, what moving it away costs.
    seed
        For the solver.
    """
    from formulations.relocation_cpsat import RelocationModel

    return RelocationModel(instance, home, costs, seed=seed)


def capabilities_of(name: str) -> Capabilities:
    """What a formulation can do, without loading its module or a solver.

    Parameters
    ----------
    name
        One that :func:`create` takes.
    """
    return ENTRIES[name.partition(SOLVER_MARK)[0]].capabilities


def check_constraints(name: str, instance: Instance) -> None:
    """Reject a formulation for a fleet whose constraints it would ignore.

    Raises
    ------
    InputError
        Names the formulations that honour them.
    """
    if instance.constraints and not capabilities_of(name).constraints:
        able = ", ".join(key for key, entry in ENTRIES.items() if entry.capabilities.constraints)
        raise InputError(
            f"{name} does not support constraints, which the fleet has; those that do: {able}",
            place="method",
        )


def check_name(name: str, *, others: tuple[str, ...] = ()) -> None:
    """Reject a name that :func:`create` would reject.

    PuLP is imported only if the name includes that of a solver.

    Parameters
    ----------
    name
        As for :func:`create`.
    others
        Names that are allowed as well, for the text of the error.

    Raises
    ------
    InputError
        Names the closest known name, or how to install the solver.
    """
    if name in others:
        return
    base, mark, solver = str(name).partition(SOLVER_MARK)
    check_known("method", base if mark else name, (*others, *NAMES), place="method")
    if not mark:
        return
    if base in others or not ENTRIES[base].capabilities.export:
        able = ", ".join(key for key, entry in ENTRIES.items() if entry.capabilities.export)
        raise InputError(
            f"{base} has a solver of its own; a solver can be named for {able}", place="method"
        )
    from formulations.backends.pulp_catalogue import check_solver

    check_solver(solver)


def write_model(
    name: str,
    instance: Instance,
    threshold: Threshold,
    suffix: str,
    comments: Sequence[str] = (),
) -> str:
    """The model of a threshold as the text of a file for other solvers.

    Parameters
    ----------
    name
        A formulation whose capabilities include ``export``.
    instance
        The fleet.
    threshold
        The question; the model has a solution if and only if it can be met.
    suffix
        ``".lp"`` or ``".mps"``.
    comments
        Lines for the head of the file, before the meaning of the variables.

    Raises
    ------
    InputError
        If the name or the suffix is unknown, the model cannot be exported, the fleet
        has no models, or a coefficient is too large for the format.
    """
    able = tuple(key for key, entry in ENTRIES.items() if entry.capabilities.export)
    check_known("formulation for export", name, able, place="formulation")
    check_known("suffix", suffix, SUFFIXES, place="output")
    if not instance.models:
        raise InputError("the fleet has no models: there is nothing to decide", place="models")
    from formulations.model_file import WRITERS

    formulation = cast(_Exporting, create(name, instance))
    return WRITERS[suffix](formulation.exported(threshold), comments)


def relaxation_meets(
    name: str, instance: Instance, threshold: Threshold, limits: LimitsView
) -> bool | None:
    """Whether the linear relaxation of a formulation meets a threshold, in doubles.

    Returns
    -------
    bool or None
        ``None`` if the formulation cannot tell, or the limits were reached first.
    """
    check_name(name)
    formulation, capabilities = create(name, instance), ENTRIES[name].capabilities
    if capabilities.export:
        from formulations.backends.pulp_highs import relaxation_is_feasible

        exported = cast(_Exporting, formulation).exported(threshold)
        return relaxation_is_feasible(exported, limits)
    if capabilities.complete or isinstance(formulation, Optimiser):
        return None
    # The formulation is itself a relaxation: it meets every threshold it does not refute.
    verdict = formulation.decide(threshold, limits)
    return None if limits.stopped else not isinstance(verdict, Infeasible)


class _Exporting(Protocol):
    def exported(self, threshold: Threshold) -> Exported: ...
