"""Why a fleet has no placement of finite KVPR, in one line for its owner."""

from __future__ import annotations

from fractions import Fraction

from kvpr_opt.evidence import Counting, Evidence, Volume
from kvpr_opt.exact import decimal_text
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.oracle import Feasible, Infeasible, Oracle


def cause(instance: Instance, evidence: Evidence, oracle: Oracle | None, limits: Limits) -> str:
    """Name the cause that `evidence` proves.

    Where the evidence is a solver's word, the `oracle` is asked once more, for
    the sizes alone, to tell apart sizes that cannot be packed from sizes that
    fit only by filling a GPU which carries pressure.
    """
    match evidence:
        case Volume():
            return _volume(instance)
        case Counting(models):
            return _counting(instance, models)
    if instance.scaled.total_pressure == 0:
        return _cannot_be_packed(instance)
    verdict = oracle.decide(instance.scaled.fitting(), limits) if oracle else None
    match verdict:
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


def _counting(instance: Instance, models: tuple[int, ...]) -> str:
    largest = max(gpu.usable for gpu in instance.gpus)
    if len(models) == 1:
        model = instance.models[models[0]]
        relation = "as large as" if model.size == largest else "larger than"
        lack = ", which leaves nothing for its KV cache" if model.size == largest else ""
        return (
            f"model {model.name!r} ({decimal_text(model.size)}) is {relation} "
            f"the largest GPU ({decimal_text(largest)} usable){lack}"
        )
    names = ", ".join(repr(instance.models[i].name) for i in models[:3])
    return (
        f"the {len(models)} models {names}, ... are more than the {len(instance.gpus)} GPUs "
        f"can hold: too few of them fit on one GPU"
    )


def _cannot_be_packed(instance: Instance) -> str:
    needed, usable = _totals(instance)
    return (
        f"the weights fit in total ({decimal_text(needed)} of {decimal_text(usable)}), "
        f"but cannot be packed onto the {len(instance.gpus)} GPUs"
    )


def _totals(instance: Instance) -> tuple[Fraction, Fraction]:
    needed = sum((model.size for model in instance.models), Fraction(0))
    return needed, sum((gpu.usable for gpu in instance.gpus), Fraction(0))
