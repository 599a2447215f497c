"""The page: the answer, the placement to scale, its history, the proof, the constraints.

It loads nothing from elsewhere, so it can be shared and archived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kvpr_opt.certificates.explain import explain
from kvpr_opt.drawing.pieces import explained, facts, section
from kvpr_opt.drawing.rows import counted
from kvpr_opt.drawing.sheet import document
from kvpr_opt.html import Html, element
from kvpr_opt.integrations.result_page.gpus import drawn_gpus
from kvpr_opt.integrations.result_page.style import STYLE
from kvpr_opt.integrations.result_page.trajectory import drawn_trajectory
from kvpr_opt.integrations.result_page.wording import exactly, foot
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result, Status
from kvpr_opt.text import listed

# Maximum names in one cell; further names are only counted.
_MAX_NAMES = 12

_PROOF_TITLES = {
    Status.OPTIMAL: "Why nothing is better",
    Status.INFEASIBLE: "Why there is no placement",
}


def result_page(result: Result) -> str:
    """The page for a result, as a complete HTML file."""
    title = f"Placement of {counted(len(result.instance.models), 'model')} on " + counted(
        len(result.instance.gpus), "GPU"
    )
    last = foot(result.instance, f"Method {result.parameters.get('method', 'auto')}.")
    content = (element("h1", title), *_answer(result), *_sections(result), last)
    return document(title, STYLE, *content)


def _answer(result: Result) -> Iterator[Html]:
    status = result.status.value
    yield element(
        "p",
        element("span", status, class_=f"status {status}"),
        f", {result.stop_reason.value}, {result.seconds:.2f} s",
    )
    if result.message:
        yield element("p", result.message)
    known = []
    if result.placement is not None:
        known.append(("highest KVPR", exactly(result.placement.max_kvpr)))
    if result.status is not Status.INFEASIBLE:
        known.append(("no placement is below", exactly(result.lower_bound)))
        gap = "unknown" if result.gap is None else f"{float(result.gap) * 100:.2g} %"
        known.append(("gap", gap))
    known.append(("evidence", _grade(result)))
    yield facts(known)


def _sections(result: Result) -> Iterator[Html]:
    if result.placement is not None:
        yield section(
            "The placement",
            [
                element(
                    "p",
                    "Each bar is the memory of a GPU, all to one scale. The thin line below is its "
                    "KVPR, pressure over free memory, beside the highest one.",
                ),
                drawn_gpus(result.placement),
            ],
        )
    drawn = drawn_trajectory(result.statistics.get("trajectory", ()), result.seconds)
    if drawn is not None:
        yield section("Placement and bound over time", [drawn])
    yield section(_PROOF_TITLES.get(result.status, "What is proved"), _proof(result))
    if result.placement is not None and result.instance.constraints:
        yield section("Constraints", _constraints(result.placement))


def _proof(result: Result) -> Iterator[Html]:
    if result.certificate is None:
        yield element("p", "Nothing was proved in this run.")
        return
    yield from explained(
        explain(result.instance, result.certificate),
        "The proof itself is in this page: ",
        {"certificate.json": result.certificate.to_json()},
        "kvpr-opt verify FLEET certificate.json",
    )


def _constraints(placement: Placement) -> Iterator[Html]:
    """The constraints on models, marking those that affect a GPU of the highest KVPR."""
    instance = placement.instance
    constraints, kvpr = instance.constraints, placement.kvpr
    models, gpus = instance.models, instance.gpus

    def row(members: Iterable[int], what: str) -> Html:
        own = list(members)
        where = dict.fromkeys(gpus[placement.gpu_of[model]].name for model in own)
        highest = any(kvpr[gpu] == placement.max_kvpr for gpu in where)
        names = listed((models[model].name for model in own), _MAX_NAMES)
        cells = (names, what, listed(where, _MAX_NAMES))
        return element(
            "tr",
            *(element("td", cell) for cell in cells),
            element("td", "yes" if highest else ""),
        )

    rows = [row([one.model], one.why.removeprefix("but ")) for one in constraints.restrictions]
    rows += [row(group.models, f"apart: {group.why}") for group in constraints.apart]
    rows += [row(one.models, "shards in one node") for one in constraints.together]
    rows += [
        row([model for replica in one.replicas for model in replica], "replicas on several nodes")
        for one in constraints.spread
    ]
    heads = ("models", "constraint", "placed on", "on a GPU of the highest KVPR")
    yield element(
        "table",
        element("thead", element("tr", *(element("th", head) for head in heads))),
        element("tbody", *rows),
    )


def _grade(result: Result) -> str:
    if result.certificate is None:
        return "nothing proved"
    if result.certified:
        return "certified: anyone can repeat the proof in whole numbers"
    return "rests on the word of a solver, or was not checked for lack of time"
