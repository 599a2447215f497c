"""The GPUs of a placement, each drawn once, to one scale: memory, and below it its KVPR."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.html import Html, element, joined
from kvpr_opt.problem.instance import GPU, LLM
from kvpr_opt.problem.placement import GPULoad, Kvpr, Placement

#: What a bar is made of, in order: the class of the part and what the legend says of it.
PARTS = {
    "reserved": "reserved",
    "weights": "weights, a shade a model",
    "overhead": "overhead of each server",
    "floor": "least KV cache of each server",
    "free": "free for KV cache",
}

#: Across a bar.
_WIDTH, _HEIGHT = 1000, 20


@dataclass(frozen=True)
class _Part:
    """A stretch of a bar."""

    kind: str
    amount: Fraction
    title: str


def drawn_gpus(placement: Placement) -> Html:
    """Legend and list of all GPUs, in their order."""
    gpus = placement.instance.gpus
    scale = max(gpu.memory for gpu in gpus)
    models = {model.name: model for model in placement.instance.models}
    items = [
        _gpu(gpu, load, [models[name] for name in load.models], scale, placement)
        for gpu, load in zip(gpus, placement.gpus, strict=True)
    ]
    return joined([_legend(), element("ul", *items, class_="gpus")])


def _legend() -> Html:
    items = [
        element("li", _svg(10, 10, [_rectangle(kind, 0, 10, 10)], "swatch"), meaning)
        for kind, meaning in PARTS.items()
    ]
    return element("ul", *items, class_="legend")


def _gpu(
    gpu: GPU, load: GPULoad, models: Sequence[LLM], scale: Fraction, placement: Placement
) -> Html:
    unit = placement.instance.unit or ""
    highest = load.kvpr == placement.max_kvpr and load.pressure > 0
    called = gpu.name if gpu.node is None else f"{gpu.name} ({gpu.node})"
    head = element(
        "div", element("b", called), element("span", f"KVPR {number(load.kvpr)}"), class_="gpu"
    )
    free = load.memory - load.used
    said = (
        f"{number(free)} of {number(load.memory)} {unit} free for KV cache, pressure "
        f"{number(load.pressure)}"
    )
    named = ", ".join(load.models) or "no model"
    share = _relative(load.kvpr, placement.max_kvpr)
    pressure = [
        _rectangle("track", 0, _WIDTH, 10),
        _rectangle("pressure", 0, round(share * _WIDTH), 10),
    ]
    return element(
        "li",
        head,
        _bar(list(_parts(gpu, models, free)), scale, f"{called}: {said}"),
        _svg(_WIDTH, 10, pressure, "kvpr"),
        element("p", f"{said}. {named}", class_="numbers"),
        class_="highest" if highest else "",
        data_gpu=gpu.name,
    )


def _parts(gpu: GPU, models: Sequence[LLM], free: Fraction) -> Iterator[_Part]:
    yield _Part("reserved", gpu.reserved, f"reserved: {number(gpu.reserved)}")
    for index, model in enumerate(models):
        kind = "other" if index % 2 else "weights"
        yield _Part(kind, model.size, f"{model.name}: weights {number(model.size)}")
    overhead = sum((model.overhead for model in models), Fraction(0))
    yield _Part("overhead", overhead, f"overheads: {number(overhead)}")
    floor = sum((model.kv_floor for model in models), Fraction(0))
    yield _Part("floor", floor, f"least KV caches: {number(floor)}")
    yield _Part("free", free, f"free for KV cache: {number(free)}")


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


def number(value: Fraction | float | None) -> str:
    """A number to six digits, or what stands for it."""
    if value is None:
        return "unknown"
    return "infinite" if value == math.inf else f"{float(value):.6g}"
