"""What binds a fleet, what each change would gain, and why an infeasible fleet cannot be placed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from kvpr_opt.drawing.rows import amount
from kvpr_opt.limits import Limits
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.llm import LLM
from kvpr_opt.result import Result, Status
from kvpr_opt.solve import solve

# Share of the time spent on the fleet itself.
_SHARE = 0.4

# Maximum number of models to leave out, one at a time, those of the worst GPU first.
_MAX_MODELS = 8

#: Keys of a model that tie it to GPUs or exclude it from them.
CONSTRAINT_KEYS = ("pin", "only", "never", "apart")


@dataclass(frozen=True)
class Change:
    """What one change to the fleet would gain.

    Attributes
    ----------
    what
        The change, in words.
    max_kvpr, lower_bound
        What is known about the changed fleet; ``None`` if the time was up.
    """

    what: str
    max_kvpr: Fraction | None
    lower_bound: Fraction | float | None

    @property
    def gap(self) -> Fraction | None:
        """Relative gap of the two."""
        return relative_gap(self.max_kvpr, self.lower_bound)


@dataclass(frozen=True)
class Explanation:
    """What binds.

    Attributes
    ----------
    result
        The run on the fleet itself.
    gpus
        The GPUs that have the maximum KVPR, each with its models.
    tied
        Models of these GPUs that a key ties to them or excludes from others, and the keys.
    changes
        What each change would gain, the most helpful first.
    conflict
        For an infeasible fleet: models and constraints that are all needed for the conflict.
        Without any one of them, the rest can be placed.
    exact
        Whether each was proved to be needed; if the time was up, some may not be.
    """

    result: Result
    gpus: tuple[tuple[str, tuple[str, ...]], ...]
    tied: tuple[tuple[str, tuple[str, ...]], ...]
    changes: tuple[Change, ...]
    conflict: tuple[str, ...]
    exact: bool

    @property
    def proved(self) -> bool:
        """Whether all is proved: the optimum and that of each change, or the conflict."""
        if self.conflict:
            return self.exact
        known = [self.result.gap, *(change.gap for change in self.changes)]
        return bool(self.gpus) and all(gap == 0 for gap in known)


def why(instance: Instance, *, time_limit: float | None = 60) -> Explanation:
    """Explain the optimum of a fleet, or why it cannot be placed.

    Parameters
    ----------
    instance
        The fleet.
    time_limit
        Seconds in all, ``None`` for no limit.
    """
    limits = Limits(time_limit)
    with limits.heeding_signals():
        return _explained(instance, limits, time_limit)


def _explained(instance: Instance, limits: Limits, time_limit: float | None) -> Explanation:
    first = None if time_limit is None else max(_SHARE * time_limit, 0.001)
    result = solve(instance, time_limit=first)
    if result.status is Status.INFEASIBLE:
        conflict, exact = _smallest_conflict(instance, limits)
        return Explanation(result, (), (), (), conflict, exact)
    if result.placement is None:
        return Explanation(result, (), (), (), (), False)
    worst = result.placement.max_kvpr
    gpus = tuple((g.name, g.models) for g in result.placement.gpus if g.kvpr == worst)
    here = [name for _, models in gpus for name in models]
    tied = tuple(
        (model.name, keys)
        for model in instance.models
        if model.name in here and (keys := _keys_of(model))
    )
    variants = list(_variants(instance, [name for name, _ in gpus], here))
    changes = [_tried(what, made, limits, left) for left, (what, made) in _countdown(variants)]
    changes.sort(key=lambda change: math.inf if change.max_kvpr is None else change.max_kvpr)
    return Explanation(result, gpus, tied, tuple(changes), (), True)


def _countdown(
    variants: list[tuple[str, Instance]],
) -> Iterator[tuple[int, tuple[str, Instance]]]:
    return ((len(variants) - index, variant) for index, variant in enumerate(variants))


def _tried(what: str, changed: Instance, limits: Limits, left: int) -> Change:
    if limits.stopped:
        return Change(what, None, None)
    seconds = None if limits.remaining == math.inf else max(limits.remaining / left, 0.001)
    found = solve(changed, time_limit=seconds)
    return Change(what, found.max_kvpr, found.lower_bound)


def _variants(
    instance: Instance, worst: list[str], here: list[str]
) -> Iterator[tuple[str, Instance]]:
    """The fleet with one change each."""
    gpu = instance.gpus[instance.gpu_index[worst[0]]]
    names = {other.name for other in instance.gpus}
    name = next(n for i in range(len(names) + 1) if (n := f"{gpu.name}-more-{i}") not in names)
    alike = replace(gpu, name=name, uuid=None, index=None)
    yield f"one more GPU like {gpu.name!r}", instance.replace(gpus=[*instance.gpus, alike])
    share = gpu.memory / 10
    larger = [replace(g, memory=g.memory + share) for g in instance.gpus]
    unit = "" if instance.unit is None else f" {instance.unit}"
    yield f"{amount(share)}{unit} more memory on every GPU", instance.replace(gpus=larger)
    for position, model in enumerate(instance.declared):
        keys = _keys_of(model)
        if keys:
            free = _without_keys(model, keys)
            models = [*instance.declared[:position], free, *instance.declared[position + 1 :]]
            yield f"without {', '.join(keys)} of {model.name!r}", instance.replace(models=models)
    on_worst = [m for m in instance.declared if m.name in here and m.parts == 1][:_MAX_MODELS]
    for model in on_worst:
        models = [other for other in instance.declared if other is not model]
        yield f"without model {model.name!r}", instance.replace(models=models)


def _keys_of(model: LLM) -> tuple[str, ...]:
    return tuple(key for key in CONSTRAINT_KEYS if getattr(model, key))


def _without_keys(model: LLM, keys: tuple[str, ...]) -> LLM:
    changed: dict[str, Any] = dict.fromkeys(keys, ())
    return replace(model, **changed)


def _smallest_conflict(instance: Instance, limits: Limits) -> tuple[tuple[str, ...], bool]:
    """Drop models and constraints one by one while what is left stays infeasible.

    The deletion filter of Chinneck and Dravnieks (1991, doi:10.1287/ijoc.3.2.157): what remains
    at the end is an irreducible conflict.
    """
    models = list(instance.declared)
    exact = True

    def still_infeasible(rest: list[LLM]) -> bool | None:
        seconds = None if limits.remaining == math.inf else max(limits.remaining / 2, 0.001)
        found = solve(instance.replace(models=rest), time_limit=seconds)
        if found.status is Status.INFEASIBLE:
            return True
        return False if found.placement is not None else None

    for model in sorted(instance.declared, key=lambda m: m.footprint):
        rest = [other for other in models if other is not model]
        dropped = bool(rest) and still_infeasible(rest)
        exact = exact and dropped is not None
        if dropped:
            models = rest
    conflict: list[str] = []
    for position, model in enumerate(list(models)):
        kept = model
        for key in _keys_of(model):
            free = _without_keys(kept, (key,))
            verdict = still_infeasible([*models[:position], free, *models[position + 1 :]])
            exact = exact and verdict is not None
            if verdict:
                kept = free
                models[position] = free
            else:
                conflict.append(f"{key} of {model.name!r}")
        conflict.append(f"model {model.name!r}")
    return tuple(conflict), exact
