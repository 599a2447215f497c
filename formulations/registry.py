"""The formulations by name. A module is imported when its formulation is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from kvpr_opt.errors import check_known
from kvpr_opt.instance import Instance
from kvpr_opt.oracle import Optimiser, Oracle

# Name -> module; each module has a class `Formulation(instance, *, seed, threads)`.
_ORACLES = {
    "assignment_cpsat": "formulations.assignment_cpsat",
    "assignment_pulp": "formulations.assignment_pulp",
}
_OPTIMISERS = {
    "direct_pulp": "formulations.direct_pulp",
}
_MODULES = {**_ORACLES, **_OPTIMISERS}

#: The formulations that decide one threshold at a time.
ORACLES: tuple[str, ...] = tuple(_ORACLES)

#: The formulations that minimise in one go.
OPTIMISERS: tuple[str, ...] = tuple(_OPTIMISERS)

#: Every name that :func:`create` accepts.
NAMES: tuple[str, ...] = tuple(_MODULES)


def create(name: str, instance: Instance, *, seed: int = 0, threads: int = 1) -> Oracle | Optimiser:
    """A formulation for one instance, by its name.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    instance
        The fleet that it answers for.
    seed, threads
        Passed on to the solver.

    Raises
    ------
    InputError
        For a name that is not known.
    """
    check_known("formulation", name, NAMES, place="method")
    module = import_module(_MODULES[name])
    made = module.Formulation(instance, seed=seed, threads=threads)
    return cast(Oracle, made) if name in _ORACLES else cast(Optimiser, made)
