"""Two placements of a fleet side by side: the GPUs that change, then those that do not."""

from __future__ import annotations

from collections.abc import Sequence

from kvpr_opt.html import Html, element, joined
from kvpr_opt.integrations.result_page.gpus import (
    MOVED,
    PARTS,
    Holding,
    Scale,
    drawn_gpu,
    drawn_legend,
)
from kvpr_opt.operate.relocation.problem import NOWHERE
from kvpr_opt.problem.instance import Instance


def before_and_after(instance: Instance, before: Sequence[int], after: Sequence[int]) -> Html:
    """Each GPU as it is and as it will be.

    Parameters
    ----------
    instance
        The fleet.
    before, after
        By model, the number of its GPU, or :data:`NOWHERE`. Neither has to be a legal
        placement.
    """
    then, now = _holdings(instance, before), _holdings(instance, after)
    worst, best = (max(holding.kvpr for holding in holdings) for holdings in (then, now))
    memory = max(gpu.memory for gpu in instance.gpus)
    scale = Scale(memory, max(worst, best), instance.unit or "")
    moving = {
        model.name
        for model, old, new in zip(instance.models, before, after, strict=True)
        if old != new
    }
    changed = [(a, b) for a, b in zip(then, now, strict=True) if a.models != b.models]
    same = [a for a, b in zip(then, now, strict=True) if a.models == b.models]
    meanings = {"weights": PARTS["weights"], MOVED[0]: MOVED[1]}
    parts = [drawn_legend({**meanings, **PARTS})]
    pairs = [
        element(
            "li",
            element(
                "div",
                _at("before", drawn_gpu(old, scale, moving, worst)),
                _at("after", drawn_gpu(new, scale, moving, best)),
                class_="pair",
            ),
        )
        for old, new in changed
    ]
    parts.append(element("ul", *pairs, class_="pairs"))
    if not changed:
        parts.append(element("p", "Nothing moves."))
    if same:
        parts.append(element("h3", "GPUs that stay as they are" if changed else "The GPUs"))
        items = [element("li", drawn_gpu(holding, scale, (), best)) for holding in same]
        parts.append(element("ul", *items, class_="gpus"))
    return joined(parts)


def _at(when: str, drawn: Html) -> Html:
    return element("div", element("div", when, class_="when"), drawn)


def _holdings(instance: Instance, gpu_of: Sequence[int]) -> list[Holding]:
    on: list[list[int]] = [[] for _ in instance.gpus]
    for model, gpu in enumerate(gpu_of):
        if gpu != NOWHERE:
            on[gpu].append(model)
    return [
        Holding(gpu, tuple(instance.models[model] for model in models))
        for gpu, models in zip(instance.gpus, on, strict=True)
    ]
