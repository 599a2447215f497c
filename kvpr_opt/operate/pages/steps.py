"""A plan step by step: what to do, how full the affected GPU is then, and the highest KVPR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from kvpr_opt.drawing.rows import amount, counted, kvpr_text, share_of
from kvpr_opt.html import Html, element
from kvpr_opt.operate.plan import LOAD, STOP, UNLOAD, Plan, Step
from kvpr_opt.operate.relocation.problem import NOWHERE
from kvpr_opt.problem.instance import Instance


def drawn_steps(instance: Instance, home: Sequence[int], plan: Plan) -> Iterator[Html]:
    """A summary of the plan, and a table with one line per step."""
    if not plan.steps:
        yield element("p", "There is nothing to do.")
        return
    yield element("p", *_summary(plan))
    heads = (
        ("", "number"),
        ("step", ""),
        ("model", ""),
        ("GPU", ""),
        ("memory in use there", "number spare"),
        ("highest KVPR", "number"),
        ("", "spare"),
    )
    head = element("tr", *(element("th", name, class_=kind) for name, kind in heads))
    memory = _Memory(instance, home)
    lines = [
        _line(number, step, plan, memory.after(step))
        for number, step in enumerate(plan.steps, start=1)
    ]
    yield element("table", element("thead", head), element("tbody", *lines))


def _summary(plan: Plan) -> Iterator[str]:
    yield f"{counted(len(plan.steps), 'step')}. On the way the highest KVPR is "
    yield f"{kvpr_text(plan.max_kvpr)} at most. "
    if plan.stopped:
        yield "Without room for two copies, "
        yield element("b", ", ".join(plan.stopped))
        yield " must stop first and does not serve for a while. "
    else:
        yield "Every model serves all the time. "
    yield (
        "No order stops fewer models or, with those stops, has a lower peak."
        if plan.exact
        else "This is a good order; it is not proved that none is better."
    )


def _line(number: int, step: Step, plan: Plan, memory: str) -> Html:
    share = share_of(step.max_kvpr, plan.max_kvpr)
    fill = element("div", class_="fill", style=f"width:{100 * share:.1f}%")
    cells = (
        (str(number), "number"),
        (step.action, ""),
        (", ".join(step.models), "name"),
        (", ".join(step.gpus), "name"),
        (memory, "number spare"),
        (kvpr_text(step.max_kvpr), "number"),
        (element("div", fill, class_="track"), "level spare"),
    )
    kind = "unit" if step.action == LOAD else "unit stop" if step.action == STOP else ""
    return element("tr", *(element("td", text, class_=style) for text, style in cells), class_=kind)


class _Memory:
    """What is on each GPU as the plan proceeds."""

    def __init__(self, instance: Instance, home: Sequence[int]) -> None:
        self._instance = instance
        self._used = [Fraction(0)] * len(instance.gpus)
        for model, gpu in zip(instance.models, home, strict=True):
            if gpu != NOWHERE:
                self._used[gpu] += model.footprint

    def after(self, step: Step) -> str:
        """Apply a step; return how full its GPUs are then."""
        sign = {LOAD: 1, UNLOAD: -1, STOP: -1}.get(step.action, 0)
        said = []
        for name, gpu_name in zip(step.models, step.gpus, strict=True):
            gpu = self._instance.gpu_index[gpu_name]
            model = self._instance.models[self._instance.model_index[name]]
            self._used[gpu] += sign * model.footprint
            usable = self._instance.gpus[gpu].usable
            said.append(f"{amount(self._used[gpu])}/{amount(usable)}")
        return ", ".join(said)
