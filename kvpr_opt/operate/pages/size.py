"""The page for a sizing: how many GPUs, the placement on them, and why fewer are not enough."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.explain import explain
from kvpr_opt.drawing.pieces import explained, facts, section
from kvpr_opt.drawing.rows import counted
from kvpr_opt.drawing.sheet import document
from kvpr_opt.html import Html, element
from kvpr_opt.integrations.result_page.gpus import drawn_gpus
from kvpr_opt.integrations.result_page.wording import exactly, foot
from kvpr_opt.operate.pages.style import STYLE
from kvpr_opt.operate.size import Sizing
from kvpr_opt.problem.instance import Instance


def size_page(instance: Instance, made: Sizing) -> str:
    """The page, as a complete HTML file.

    Parameters
    ----------
    instance
        The fleet that was asked about.
    made
        The answer.
    """
    title = f"GPUs for {counted(len(instance.models), 'model')}"
    content = [element("h1", title), facts(_answer(instance, made))]
    if made.placement is not None:
        said = "Each bar is the memory of a GPU. The thin line below is its KVPR."
        drawn = [element("p", said), drawn_gpus(made.placement)]
        content.append(section(f"The placement on {counted(made.gpus or 0, 'GPU')}", drawn))
    why = "no number of them does" if made.lower_bound == math.inf else "fewer do not do"
    content.append(section(f"Why {why}", _proof(made)))
    return document(title, STYLE, *content, foot(instance))


def _answer(instance: Instance, made: Sizing) -> Iterator[tuple[str, str]]:
    yield "highest KVPR wanted", f"at most {exactly(made.target)}"
    if made.lower_bound == math.inf:
        yield "GPUs needed", "no number of them does"
    else:
        yield "GPUs needed", "not known" if made.gpus is None else str(made.gpus)
        sure = f"{made.lower_bound - 1} do not do" if made.lower_bound > 1 else "one is the least"
        yield "proved", sure if made.proved else f"fewer than {made.lower_bound} do not do"
    if made.placement is not None:
        yield "highest KVPR on them", exactly(made.placement.max_kvpr)
    yield "GPUs of the fleet", str(len(instance.gpus))


def _proof(made: Sizing) -> Iterator[Html]:
    if made.reason:
        yield element("p", f"{made.reason[0].upper()}{made.reason[1:]}.")
    run = made.evidence
    if run is None or run.certificate is None:
        return
    yield element("p", f"In full, for {counted(len(run.instance.gpus), 'GPU')}:")
    yield from explained(
        explain(run.instance, run.certificate),
        "The proof itself is in this page: ",
        {
            "fewer.json": canonical_fleet(run.instance),
            "certificate.json": run.certificate.to_json(),
        },
        "kvpr-opt verify fewer.json certificate.json",
    )
