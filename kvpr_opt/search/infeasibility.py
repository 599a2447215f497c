"""Explain in one line why a fleet has no placement of finite KVPR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from kvpr_opt.certificates.evidence import Counting, Evidence, Pinned, Volume
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.exact import decimal_text
from kvpr_opt.problem.instance import Instance
from kvpr_opt.search.bounds import too_many
from kvpr_opt.search.oracle import Feasible, Infeasible, Oracle
from kvpr_opt.text import listed

# Maximum names listed; beyond that, only their number.
_MAX_NAMES = 20

# The same, where they are the subject of the sentence.
_MAX_SUBJECTS = 4

# Work, about a second of one core a unit, that a question may take only to word the cause.
_BUDGET = 5.0


def cause(
    instance: Instance, evidence: Evidence, oracle: Callable[..., Oracle], limits: LimitsView
) -> str:
    """Name the cause that `evidence` proves.

    If the evidence does not distinguish sizes that cannot be packed from sizes that
    fit only by filling a GPU with pressure completely, the oracle (made on demand)
    is asked about the sizes alone. If there are constraints, it is also asked about
    the fleet without some of them, to find out whether these exclude every placement.
    """
    match evidence:
        case Pinned(gpu):
            return _pinned(instance, gpu)
        case Volume():
            return _volume(instance)
        case Counting((model,)):
            return _single(instance, model)
    if instance.constraints:
        conflict = _crowded_group(instance) or _conflict(instance, oracle, limits)
        if conflict:
            return conflict
    crowd = too_many(instance.scaled, instance.scaled.fitting())
    if crowd is not None:
        return _counting(instance, crowd)
    if instance.scaled.total_pressure == 0:
        return _cannot_be_packed(instance)
    match oracle().decide(instance.scaled.fitting(), limits, budget=_BUDGET):
        case Feasible():
            return (
                "the weights fit only by filling a GPU to the last unit that also carries "
                "pressure: no memory would be left for its KV cache"
            )
        case Infeasible():
            return _cannot_be_packed(instance)
    return "no placement leaves every GPU under pressure some free memory"


def _pinned(instance: Instance, gpu: int) -> str:
    """The fewest models pinned to a GPU that are together too large for it."""
    scaled = instance.scaled
    assert isinstance(scaled, ConstrainedInstance), "there are pinned models"
    there = [model for model, home in scaled.pinned.items() if home == gpu]
    for group in instance.constraints.apart:
        torn = [model for model in group.models if model in there]
        if len(torn) > 1:
            names = _listed([instance.models[model].name for model in torn])
            return (
                f"{names} are pinned to {instance.gpus[gpu].name!r}, but are to be apart "
                f"({group.why})"
            )
    there.sort(key=lambda model: (-scaled.sizes[model], model))
    room, few = scaled.capacities[gpu], list[int]()
    for model in there:
        few.append(model)
        room -= scaled.sizes[model]
        if room < 0:
            break
    names = _listed([instance.models[model].name for model in few])
    name = instance.gpus[gpu].name
    if room == 0:
        return f"{names} pinned to {name!r} fill it: nothing is left for KV caches"
    together = "do not fit together" if len(few) > 1 else "does not fit it"
    return f"{names} {'are' if len(few) > 1 else 'is'} pinned to {name!r} and {together}"


def _listed(names: list[str]) -> str:
    """Names as the subject of a sentence; of many, the number of those left out."""
    more = len(names) - _MAX_SUBJECTS
    quoted = [repr(name) for name in names[:_MAX_SUBJECTS]]
    quoted += [f"{more} more"] if more > 0 else []
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _crowded_group(instance: Instance) -> str:
    """A group with more models than GPUs on which they may run, if there is one."""
    known = instance.constraints
    everywhere = frozenset(range(len(instance.gpus)))
    for group in known.apart:
        reach = frozenset[int]().union(
            *(known.admissible.get(model, everywhere) for model in group.models)
        )
        if len(reach) < len(group.models):
            names = _listed([instance.models[model].name for model in group.models])
            return (
                f"{names} are to be apart ({group.why}), but there are {len(reach)} GPUs for them"
            )
    return ""


def _conflict(instance: Instance, oracle: Callable[..., Oracle], limits: LimitsView) -> str:
    """The kind of constraint without which a placement would exist, if one kind is to blame."""
    known = instance.constraints
    kinds = (
        ("pin, only and never", replace(known, restrictions=())),
        ("apart, replicas and shards on different GPUs", replace(known, apart=())),
        ("shards in one node", replace(known, together=())),
        ("replicas on different nodes", replace(known, spread=())),
        ("its constraints", replace(known, **dict.fromkeys(known.kinds(), ()))),
    )
    for name, fewer in kinds:
        if fewer == known:
            continue
        other = instance.under(fewer)
        threshold = other.scaled.finite()
        if isinstance(oracle(other).decide(threshold, limits, budget=_BUDGET), Feasible):
            return f"no placement keeps all constraints; without {name} there would be one"
    return ""


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
    named = listed(
        (f"{model.name!r} ({decimal_text(model.footprint)})" for model in beyond), _MAX_NAMES
    )
    one = len(beyond) == 1
    return (
        f"{'model' if one else f'{len(beyond)} models:'} {named} {'is' if one else 'are'} "
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
