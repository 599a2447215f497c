"""Why a fleet has no placement of finite KVPR, in one line for its owner."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from kvpr_opt.certificates.evidence import Counting, Evidence, Volume
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.exact import decimal_text
from kvpr_opt.problem.instance import Instance
from kvpr_opt.search.bounds import too_many
from kvpr_opt.search.oracle import Feasible, Infeasible, Oracle

# Names listed; of more models, their number.
_MAX_NAMES = 20


def cause(
    instance: Instance, evidence: Evidence, oracle: Callable[[], Oracle], limits: LimitsView
) -> str:
    """Name the cause that `evidence` proves.

    Where the evidence does not tell sizes that cannot be packed from sizes that
    fit only by filling a GPU which carries pressure, the oracle (made on
    demand) is asked about the sizes alone.
    """
    match evidence:
        case Volume():
            return _volume(instance)
        case Counting((model,)):
            return _single(instance, model)
    crowd = too_many(instance.scaled, instance.scaled.fitting())
    if crowd is not None:
        return _counting(instance, crowd)
    if instance.scaled.total_pressure == 0:
        return _cannot_be_packed(instance)
    match oracle().decide(instance.scaled.fitting(), limits):
        case Feasible():
            return (
                "the weights fit only by filling a GPU to the last unit that also carries "
                "pressure: no memory would be left for its KV cache"
            )
        case Infeasible():
            return _cannot_be_packed(instance)
    return "no placement leaves every GPU under pressure some free memory"


def _volume(instance: Instance) -> str:
    needed, usable = _totals(instance)
    if needed == usable:
        return (
            f"the weights fill all usable memory ({decimal_text(needed)} of "
            f"{decimal_text(usable)}): none would be left for any KV cache"
        )
    return (
        f"the weights need {decimal_text(needed)} of memory in total, "
        f"all GPUs together have {decimal_text(usable)} usable"
    )


def _single(instance: Instance, index: int) -> str:
    largest = max(gpu.usable for gpu in instance.gpus)
    beyond = [model for model in instance.models if model.footprint > largest]
    if not beyond:
        model = instance.models[index]
        return (
            f"model {model.name!r} ({decimal_text(model.footprint)}) is as large as the largest "
            f"GPU ({decimal_text(largest)} usable), which leaves nothing for its KV cache"
        )
    named = ", ".join(
        f"{model.name!r} ({decimal_text(model.footprint)})" for model in beyond[:_MAX_NAMES]
    )
    more = f" and {len(beyond) - _MAX_NAMES} more" if len(beyond) > _MAX_NAMES else ""
    one = len(beyond) == 1
    return (
        f"{'model' if one else f'{len(beyond)} models:'} {named}{more} {'is' if one else 'are'} "
        f"larger than the largest GPU ({decimal_text(largest)} usable)"
    )


def _counting(instance: Instance, models: tuple[int, ...]) -> str:
    names = ", ".join(repr(instance.models[i].name) for i in models[:3])
    return (
        f"the {len(models)} models {names}{', ...' if len(models) > 3 else ''} are more than "
        f"the {len(instance.gpus)} GPUs can hold: too few of them fit on one GPU"
    )


def _cannot_be_packed(instance: Instance) -> str:
    needed, usable = _totals(instance)
    return (
        f"the weights fit in total ({decimal_text(needed)} of {decimal_text(usable)}), "
        f"but cannot be packed onto the {len(instance.gpus)} GPUs"
    )


def _totals(instance: Instance) -> tuple[Fraction, Fraction]:
    needed = sum((model.footprint for model in instance.models), Fraction(0))
    return needed, sum((gpu.usable for gpu in instance.gpus), Fraction(0))
