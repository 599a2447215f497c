"""Where models run now: read from the fleet, a placement, or a result, and checked."""

from __future__ import annotations

from collections.abc import Mapping

from kvpr_opt.errors import InputError, InvalidPlacementError, nearest
from kvpr_opt.operate.relocation.problem import NOWHERE
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result

#: Accepted as a placement: GPU name by model name, a placement, or a result that has one.
PlacementLike = Mapping[str, str] | Placement | Result


def assignment_of(instance: Instance, given: PlacementLike | None) -> dict[str, str]:
    """GPU name by model name, as given or by the ``current`` keys of the fleet.

    A model without ``current`` runs nowhere yet and is left out; a given placement must name
    every model.

    Raises
    ------
    InputError
        If nothing is given and no model has ``current``, or a result has no placement.
    InvalidPlacementError
        If a model is missing, or a name is not one of the fleet.
    """
    if given is None:
        return _by_current(instance)
    if isinstance(given, Result):
        if given.placement is None:
            raise InputError("the result has no placement", place="placement")
        given = given.placement
    assignment = dict(given.assignment if isinstance(given, Placement) else given)
    _check_names(instance, assignment)
    for model in instance.models:
        if model.name not in assignment:
            raise InvalidPlacementError(
                f"model {model.name!r} is placed nowhere; each model of the fleet needs a GPU"
            )
    return assignment


def home_of(instance: Instance, given: PlacementLike | None) -> tuple[int, ...]:
    """By model, the number of its GPU, or :data:`NOWHERE`; see :func:`assignment_of`."""
    assignment = assignment_of(instance, given)
    return tuple(
        instance.gpu_index[assignment[model.name]] if model.name in assignment else NOWHERE
        for model in instance.models
    )


def _by_current(instance: Instance) -> dict[str, str]:
    assignment = {model.name: model.current[0] for model in instance.models if model.current}
    if not assignment:
        raise InputError(
            "no model of the fleet has a key 'current'; give a placement, or where they run",
            place="current",
        )
    _check_names(instance, assignment)
    return assignment


def _check_names(instance: Instance, assignment: Mapping[str, str]) -> None:
    for model, gpu in assignment.items():
        if model not in instance.model_index:
            hint = nearest(str(model), instance.model_index)
            raise InvalidPlacementError(f"the fleet has no model {model!r}{hint}")
        if not isinstance(gpu, str):
            raise InvalidPlacementError(
                f"model {model!r} is on {gpu!r}, which is not the name of one GPU"
            )
        if gpu not in instance.gpu_index:
            hint = nearest(str(gpu), instance.gpu_index)
            raise InvalidPlacementError(
                f"model {model!r} is on GPU {gpu!r}, which the fleet does not have{hint}"
            )
