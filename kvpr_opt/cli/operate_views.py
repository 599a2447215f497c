"""What the commands for running fleets answer, as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from kvpr_opt.drawing.rows import amount, counted, exact_text, gap_text, kvpr_text
from kvpr_opt.operate.evaluate import Evaluation
from kvpr_opt.operate.headroom import Headroom
from kvpr_opt.operate.plan import Plan
from kvpr_opt.operate.replan import Replan, ReplanRow
from kvpr_opt.operate.size import Sizing
from kvpr_opt.operate.why import Explanation

# Cells of the bars of a trade-off.
_BAR = 24


def evaluation_lines(made: Evaluation) -> Iterable[str]:
    """A placement beside the optimum of its fleet."""
    if not made.valid:
        yield f"NOT VALID     {made.broken}"
    else:
        yield f"highest KVPR  {_value(made.max_kvpr)}"
    yield f"lower bound   {_value(made.lower_bound)}"
    if made.valid:
        yield f"gap           {gap_text(made.gap)}"
        yield f"binding       {', '.join(made.binding)}"
    best = made.result.max_kvpr
    if best is not None and best != made.max_kvpr:
        yield f"best found    {_value(best)}"


def trade_off_lines(made: Replan, chosen: ReplanRow | None) -> Iterable[str]:
    """One line a budget: what it costs, the KVPR as number and bar, and how sure that is."""
    values = [row.max_kvpr for row in made.rows if row.max_kvpr is not None]
    low, high = min(values, default=Fraction(0)), max(values, default=Fraction(1))
    yield f"{made.cost:>10}  {'highest KVPR':<12}  {'':{_BAR}}  "
    for row in made.rows:
        marks = [name for name, it in (("elbow", made.elbow), ("chosen", chosen)) if it is row]
        value = row.max_kvpr
        length = 0 if value is None else _cells(value, low, high)
        yield (
            f"{amount(row.budget):>10}  {kvpr_text(value):<12}  {'#' * length:{_BAR}}  "
            f"{_certainty(row)}{'  <- ' + ', '.join(marks) if marks else ''}"
        )
    yield f"without a budget: {_value(made.optimum.max_kvpr)}, lower bound " + _value(
        made.optimum.lower_bound
    )


def plan_lines(plan: Plan) -> Iterable[str]:
    """The steps of a plan, numbered."""
    if not plan.steps:
        yield "nothing moves"
        return
    for number, step in enumerate(plan.steps, start=1):
        where = ", ".join(
            f"{model} on {gpu}" for model, gpu in zip(step.models, step.gpus, strict=True)
        )
        yield f"{number:>3}  {step.action:<11}  {where}  (highest KVPR {kvpr_text(step.max_kvpr)})"
    best = "no order has fewer stops or a lower peak" if plan.exact else "a good order, not proved"
    yield f"highest KVPR on the way  {kvpr_text(plan.max_kvpr)}; {best}"
    if plan.stopped:
        yield f"stopped for a while      {', '.join(plan.stopped)}"


def sizing_lines(made: Sizing) -> Iterable[str]:
    """The number of GPUs that a target takes."""
    if made.lower_bound == math.inf:
        yield f"no number of GPUs will do: {made.reason}"
        return
    if made.gpus is None:
        yield "no number of GPUs was found that does"
    else:
        yield f"{counted(made.gpus, 'GPU')} for a highest KVPR of at most {_value(made.target)}"
    if made.proved:
        yield f"proved: {made.lower_bound - 1} do not do"
    else:
        yield f"fewer than {made.lower_bound} are proved not to do"


def headroom_lines(made: Headroom) -> Iterable[str]:
    """By what factor demand can grow."""
    whose = "all demand" if made.model is None else f"the demand of {made.model}"
    if made.factor == math.inf:
        yield f"{whose} can grow without end within a highest KVPR of {_value(made.target)}"
        return
    yield f"{whose} can grow to {float(made.factor):.6g} times what it is"
    if made.proved and made.factor == made.bound:
        yield f"proved: beyond that the highest KVPR exceeds {_value(made.target)}"
    else:
        sure = "proved" if made.bound != math.inf else "not known"
        yield f"beyond {float(made.bound):.6g} times it cannot: {sure}"


def explanation_lines(made: Explanation) -> Iterable[str]:
    """What binds, and what a change would buy."""
    if made.conflict:
        yield f"no placement exists: {made.result.message}"
        yield "these cannot be had together, and without any one of them the rest can be placed:"
        yield from (f"  {member}" for member in made.conflict)
        if not made.exact:
            yield "  (the time was up: some of them may not be needed)"
        return
    if not made.gpus:
        yield "no placement was found, and none was ruled out"
        return
    yield f"highest KVPR  {_value(made.result.max_kvpr)}, lower bound " + _value(
        made.result.lower_bound
    )
    for gpu, models in made.gpus:
        yield f"binding       {gpu}: {', '.join(models)}"
    for model, keys in made.tied:
        yield f"tied          {model} by {', '.join(keys)}"
    yield "what a change would buy:"
    width = max((len(change.what) for change in made.changes), default=0)
    for change in made.changes:
        gap = "proved" if change.gap == 0 else f"gap {gap_text(change.gap)}"
        yield f"  {change.what:<{width}}  {kvpr_text(change.max_kvpr)}  ({gap})"


def _certainty(row: ReplanRow) -> str:
    if row.placement is None and row.lower_bound == math.inf:
        return "proved that there is none"
    if not row.proved:
        return f"gap {gap_text(row.gap)}"
    return "proved" if row.certified else "proved by a solver's word"


def _cells(value: Fraction, low: Fraction, high: Fraction) -> int:
    if high == low:
        return 1
    return 1 + round((_BAR - 1) * float((value - low) / (high - low)))


def _value(value: Fraction | float | None) -> str:
    return kvpr_text(value) + (exact_text(value) if isinstance(value, Fraction) else "")


def joined(parts: Sequence[Iterable[str]]) -> list[str]:
    """Several groups of lines, with an empty line between two."""
    lines: list[str] = []
    for part in parts:
        lines += ([""] if lines else []) + list(part)
    return lines
