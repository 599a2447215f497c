"""Draws GPUs and what they hold, all to one scale: memory, and below it the KVPR."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from kvpr_opt.html import Html, element, joined
from kvpr_opt.integrations.result_page.wording import number
from kvpr_opt.problem.exact import exact_sum
from kvpr_opt.problem.instance import GPU, LLM
from kvpr_opt.problem.placement import Kvpr, Placement

#: What a bar is made of, in order: the class of the part and its text in the legend.
PARTS = {
    "reserved": "reserved",
    "weights": "weights, a shade a model",
    "overhead": "overhead of each server",
    "floor": "least KV cache of each server",
    "free": "free for KV cache",
}

#: The class of the weights of a moving model, and its text in the legend.
MOVED = ("moved", "weights of a model that moves")

#: Across a bar.
_WIDTH, _HEIGHT = 1000, 20


@dataclass(frozen=True)
class Holding:
    """A GPU and the models on it, whether or not they fit there."""

    gpu: GPU
    models: tuple[LLM, ...]

    @cached_property
    def free(self) -> Fraction:
        """What is left of its memory; below 0 where the models do not fit."""
        return self.gpu.usable - exact_sum(model.footprint for model in self.models)

    @cached_property
    def pressure(self) -> Fraction:
        """Sum of the pressures of its models."""
        return exact_sum(model.pressure for model in self.models)

    @property
    def kvpr(self) -> Kvpr:
        """Pressure over free memory, ``math.inf`` where none is free."""
        if not self.pressure:
            return Fraction(0)
        return self.pressure / self.free if self.free > 0 else math.inf


@dataclass(frozen=True)
class Scale:
    """The scale shared by all GPUs of a drawing.

    Attributes
    ----------
    memory
        The memory that fills the whole width.
    kvpr
        The KVPR that fills the whole width.
    unit
        Unit of the memory.
    """

    memory: Fraction
    kvpr: Kvpr
    unit: str


@dataclass(frozen=True)
class _Part:
    """One segment of a bar."""

    kind: str
    amount: Fraction
    title: str


def drawn_gpus(placement: Placement) -> Html:
    """Legend and list of all GPUs, in their order."""
    instance = placement.instance
    models = {model.name: model for model in instance.models}
    scale = Scale(max(gpu.memory for gpu in instance.gpus), placement.max_kvpr, instance.unit or "")
    items = [
        element("li", drawn_gpu(Holding(gpu, tuple(models[name] for name in load.models)), scale))
        for gpu, load in zip(instance.gpus, placement.gpus, strict=True)
    ]
    return joined([drawn_legend(PARTS), element("ul", *items, class_="gpus")])


def drawn_legend(meanings: dict[str, str]) -> Html:
    """What the parts of a bar mean."""
    items = [
        element("li", _svg(10, 10, [_rectangle(kind, 0, 10, 10)], "swatch"), meaning)
        for kind, meaning in meanings.items()
    ]
    return element("ul", *items, class_="legend")


def drawn_gpu(
    holding: Holding, scale: Scale, moving: Collection[str] = (), highest: Kvpr | None = None
) -> Html:
    """One GPU: its name and KVPR, the bar of its memory, the line of its KVPR, and its models.

    Parameters
    ----------
    holding
        The GPU and its models.
    scale
        Of the bar and the line.
    moving
        Names of the models to mark.
    highest
        The KVPR at which a GPU is highlighted; by default that of the scale.
    """
    gpu, kvpr = holding.gpu, holding.kvpr
    marked = scale.kvpr if highest is None else highest
    called = gpu.name if gpu.node is None else f"{gpu.name} ({gpu.node})"
    head = element(
        "div", element("b", called), element("span", f"KVPR {number(kvpr)}"), class_="gpu"
    )
    free, unit = holding.free, f" {scale.unit}" if scale.unit else ""
    said = (
        f"{number(free)} of {number(gpu.usable)}{unit} free for KV cache, pressure "
        f"{number(holding.pressure)}"
    )
    share = _relative(kvpr, scale.kvpr)
    pressure = [
        _rectangle("track", 0, _WIDTH, 10),
        _rectangle("pressure", 0, round(share * _WIDTH), 10),
    ]
    return element(
        "div",
        head,
        _bar(list(_parts(holding, moving)), scale.memory, f"{called}: {said}"),
        _svg(_WIDTH, 10, pressure, "kvpr"),
        element("p", f"{said}. ", _named(holding.models, moving), class_="numbers"),
        class_="highest" if holding.pressure > 0 and kvpr == marked else "",
        data_gpu=gpu.name,
    )


def _named(models: Sequence[LLM], moving: Collection[str]) -> Html:
    names = [
        element("b", model.name) if model.name in moving else model.name for model in models or ()
    ]
    parts = [part for name in names for part in (", ", name)][1:]
    return joined(parts or ["no model"])


def _parts(holding: Holding, moving: Collection[str]) -> Iterator[_Part]:
    reserved, models = holding.gpu.reserved, holding.models
    yield _Part("reserved", reserved, f"reserved: {number(reserved)}")
    for index, model in enumerate(models):
        kind = "other" if index % 2 else "weights"
        if model.name in moving:
            kind = MOVED[0]
        yield _Part(kind, model.size, f"{model.name}: weights {number(model.size)}")
    overhead = sum((model.overhead for model in models), Fraction(0))
    yield _Part("overhead", overhead, f"overheads: {number(overhead)}")
    floor = sum((model.kv_floor for model in models), Fraction(0))
    yield _Part("floor", floor, f"least KV caches: {number(floor)}")
    yield _Part("free", holding.free, f"free for KV cache: {number(holding.free)}")


def _bar(parts: Sequence[_Part], scale: Fraction, label: str) -> Html:
    shapes: list[Html] = []
    position = Fraction(0)
    for part in parts:
        start, end = position, position + part.amount
        position = end
        if part.amount > 0:
            shape = _rectangle(
                part.kind,
                float(start / scale) * _WIDTH,
                max(0.8, float(part.amount / scale) * _WIDTH - 1.2),
                _HEIGHT,
                element("title", part.title),
            )
            shapes.append(shape)
    return _svg(_WIDTH, _HEIGHT, shapes, "bar", label)


def _rectangle(kind: str, left: float, width: float, height: int, *content: Html) -> Html:
    return element(
        "rect",
        *content,
        class_=kind,
        x=f"{left:.4g}",
        y="0",
        width=f"{width:.4g}",
        height=str(height),
    )


def _svg(width: int, height: int, shapes: Sequence[Html], kind: str, label: str = "") -> Html:
    attributes = {"viewBox": f"0 0 {width} {height}", "preserveAspectRatio": "none"}
    attributes |= {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    return element("svg", *shapes, class_=kind, **attributes)


def _relative(value: Kvpr, highest: Kvpr) -> float:
    if value == math.inf:
        return 1.0
    return float(value / highest) if highest and highest != math.inf else 0.0
