"""The answers of the commands for running fleets, as text.

Each function takes the line width, ``None`` for no limit. Names are never cut: on a narrow
terminal the bars are dropped first, then text wraps and aligns with where it started.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from kvpr_opt.drawing.rows import amount, counted, exact_text, gap_text, kvpr_text
from kvpr_opt.drawing.text import entry
from kvpr_opt.operate.evaluate import Evaluation
from kvpr_opt.operate.headroom import Headroom
from kvpr_opt.operate.plan import Plan
from kvpr_opt.operate.replan import Replan, ReplanRow
from kvpr_opt.operate.size import Sizing
from kvpr_opt.operate.why import Change, Explanation
from kvpr_opt.result import Status

# Width of a trade-off's bars, in cells.
_BAR = 24

# Text is never wrapped to fewer cells.
_MIN_WIDTH = 24


def evaluation_lines(made: Evaluation, width: int | None = None) -> Iterator[str]:
    """A placement beside the optimum of its fleet."""
    if not made.valid:
        yield from _entry("NOT VALID", made.broken, width)
    else:
        yield from _entry("highest KVPR", _value(made.max_kvpr), width)
        yield from _entry("worst GPU", ", ".join(made.binding), width)
    if made.lower_bound == math.inf:
        yield from _wrapped(f"no placement exists: {made.result.message}", width)
        return
    yield from _entry("lower bound", f"{_value(made.lower_bound)}; no placement is below", width)
    if made.valid:
        yield from _entry("gap", gap_text(made.gap), width)
    best = made.result.max_kvpr
    if best is not None and best != made.max_kvpr:
        yield from _entry(
            "best found", f"{_value(best)}; kvpr-opt replan shows how to get there", width
        )


def trade_off_lines(
    made: Replan, chosen: ReplanRow | None, width: int | None = None
) -> Iterator[str]:
    """One line per budget: the cost, the KVPR as number and bar, and how certain it is."""
    if made.optimum.lower_bound == math.inf:
        yield from _wrapped(f"no placement exists: {made.optimum.message}", width)
        return
    head = (made.cost, "highest KVPR")
    cells = [
        (amount(row.budget), "none" if row.max_kvpr is None else kvpr_text(row.max_kvpr))
        for row in made.rows
    ]
    columns = [max(len(text) for text in texts) for texts in zip(head, *cells, strict=True)]
    ends = [row.certainty + _marks(row, made, chosen) for row in made.rows]
    text = sum(columns) + 4 + max(map(len, ends), default=0)
    bars = width is None or text + _BAR + 2 <= width
    yield f"{head[0]:>{columns[0]}}  {head[1]}"
    values = [row.max_kvpr for row in made.rows if row.max_kvpr is not None]
    low, high = min(values, default=Fraction(0)), max(values, default=Fraction(1))
    for row, (budget, value), end in zip(made.rows, cells, ends, strict=True):
        parts = [f"{budget:>{columns[0]}}", f"{value:<{columns[1]}}"]
        if bars:
            length = 0 if row.max_kvpr is None else _cells(row.max_kvpr, low, high)
            parts.append(f"{'#' * length:{_BAR}}")
        yield from _wrapped("  ".join([*parts, end]), width, columns[0] + 2)
    best, bound = made.best_known, made.optimum.lower_bound
    sure = "proved" if best == bound else f"lower bound {kvpr_text(bound)}"
    yield from _wrapped(f"without a limit: {kvpr_text(best)}, {sure}", width)


def plan_lines(plan: Plan, width: int | None = None) -> Iterator[str]:
    """The steps of a plan, numbered."""
    if not plan.steps:
        yield "nothing moves"
        return
    digits = len(str(len(plan.steps)))
    actions = max(len(step.action) for step in plan.steps)
    for number, step in enumerate(plan.steps, start=1):
        where = ", ".join(
            f"{model} on {gpu}" for model, gpu in zip(step.models, step.gpus, strict=True)
        )
        start = f"{number:>{digits}}  {step.action:<{actions}}  "
        told = f"{start}{where}  (highest KVPR {kvpr_text(step.max_kvpr)})"
        yield from _wrapped(told, width, len(start))
    yield from _wrapped(f"highest KVPR on the way: {kvpr_text(plan.max_kvpr)}", width)
    if plan.stopped:
        names = ", ".join(plan.stopped)
        yield from _wrapped(f"does not serve for a while, for want of room: {names}", width)
    yield from _wrapped(
        "no order has fewer stops or, with those, a lower peak"
        if plan.exact
        else "a good order; a better one may exist",
        width,
    )


def sizing_lines(made: Sizing, width: int | None = None) -> Iterator[str]:
    """The number of GPUs that a target requires."""
    target = kvpr_text(made.target)
    if made.lower_bound == math.inf:
        yield from _wrapped(f"no number of GPUs will do: {made.reason}", width)
        return
    if made.gpus is None:
        yield from _wrapped(f"no number of GPUs was found for a highest KVPR of {target}", width)
    else:
        yield from _wrapped(
            f"{counted(made.gpus, 'GPU')} for a highest KVPR of at most {target}", width
        )
    if made.lower_bound == 1:
        fewer = made.reason
    else:
        fewer = f"{made.lower_bound - 1} will not do: {made.reason}"
    yield from _wrapped(f"proved: {fewer}", width)


def headroom_lines(made: Headroom, width: int | None = None) -> Iterator[str]:
    """By what factor demand can grow."""
    whose = "all demand" if made.model is None else f"the demand of {made.model}"
    target = kvpr_text(made.target)
    if made.evidence is not None and made.evidence.status is Status.INFEASIBLE:
        yield from _wrapped(f"no placement exists: {made.evidence.message}", width)
        return
    if made.bound == 0:
        yield from _wrapped(
            f"even without {whose}, the highest KVPR exceeds {target}"
            if made.placement is None
            else f"there is no room for {whose}: with any, the highest KVPR exceeds {target}",
            width,
        )
        return
    if made.factor == math.inf:
        yield from _wrapped(
            f"{whose} can grow without end: the highest KVPR stays within {target}", width
        )
        return
    if made.factor == 0:
        yield from _wrapped(
            f"no placement within a highest KVPR of {target} was found, however low {whose}", width
        )
    else:
        does = "can grow" if made.factor >= 1 else "has to fall"
        yield from _wrapped(f"{whose} {does} to {float(made.factor):.6g} times what it is", width)
    if made.bound == math.inf:
        yield "nothing is proved about more than that"
    else:
        beyond = "more" if made.factor == made.bound else f"{float(made.bound):.6g} times"
        yield from _wrapped(
            f"proved: with {beyond}, the highest KVPR exceeds {target}"
            if made.factor == made.bound
            else f"proved: beyond {beyond}, the highest KVPR exceeds {target}",
            width,
        )


def explanation_lines(made: Explanation, width: int | None = None) -> Iterator[str]:
    """What binds, and what each change would gain."""
    if made.conflict:
        yield from _wrapped(f"no placement exists: {made.result.message}", width)
        yield from _wrapped(
            "these cannot be had together, and without any one of them the rest can be placed:"
            if made.exact
            else "these cannot be had together; the run ended before all were seen to be needed:",
            width,
        )
        for member in made.conflict:
            yield from _wrapped(f"  {member}", width, 4)
        return
    if not made.gpus:
        yield from _wrapped("no placement was found, and none was ruled out", width)
        return
    yield from _entry("highest KVPR", _value(made.result.max_kvpr), width)
    yield from _entry("lower bound", _value(made.result.lower_bound), width)
    for gpu, models in made.gpus:
        yield from _entry("worst GPU", f"{gpu}: {', '.join(models) or 'no model'}", width)
    for model, keys in made.tied:
        yield from _entry("tied", f"{model} by {', '.join(keys)}", width)
    yield from _wrapped("what a change would bring the highest KVPR to:", width)
    values = [kvpr_text(change.max_kvpr) for change in made.changes]
    column = max(map(len, values), default=0)
    for change, value in zip(made.changes, values, strict=True):
        told = f"  {value:<{column}}  {change.what} ({_known(change)})"
        yield from _wrapped(told, width, column + 4)


def joined(parts: Sequence[Iterable[str]]) -> list[str]:
    """Several groups of lines, separated by empty lines."""
    lines: list[str] = []
    for part in map(list, parts):
        lines += ([""] if lines and part else []) + part
    return lines


def _known(change: Change) -> str:
    if change.max_kvpr is None:
        return "not looked at: the run ended before"
    return "proved" if change.gap == 0 else f"gap {gap_text(change.gap)}"


def _marks(row: ReplanRow, made: Replan, chosen: ReplanRow | None) -> str:
    marks = [name for name, it in (("elbow", made.elbow), ("chosen", chosen)) if it is row]
    return f"  <- {', '.join(marks)}" if marks else ""


def _cells(value: Fraction, low: Fraction, high: Fraction) -> int:
    if high == low:
        return 1
    return 1 + round((_BAR - 1) * float((value - low) / (high - low)))


def _value(value: Fraction | float | None) -> str:
    return kvpr_text(value) + (exact_text(value) if isinstance(value, Fraction) else "")


def _entry(name: str, value: str, width: int | None) -> list[str]:
    return entry(name, value, width).split("\n")


def _wrapped(text: str, width: int | None, indent: int = 0) -> list[str]:
    """A text wrapped to `width` cells, with all lines but the first indented."""
    if width is None or len(text) <= width:
        return [text]
    room = max(width, indent + _MIN_WIDTH)
    lines = textwrap.wrap(
        text,
        room,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
        replace_whitespace=False,
    )
    return lines or [text]
