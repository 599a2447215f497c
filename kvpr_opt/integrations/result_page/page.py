"""The page: the answer, the placement to scale, its history, the proof, the constraints.

Nothing on it comes from elsewhere, so that it can be sent around and kept.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from fractions import Fraction
from importlib.metadata import version

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.certificates.explain import explain
from kvpr_opt.drawing.sheet import document
from kvpr_opt.html import Html, element, joined
from kvpr_opt.integrations.result_page.gpus import drawn_gpus, number
from kvpr_opt.integrations.result_page.style import STYLE
from kvpr_opt.integrations.result_page.trajectory import drawn_trajectory
from kvpr_opt.problem.exact import decimal_text
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result, Status

#: Names in one cell; of more, so many and the number of the others.
MAX_NAMES = 12

_PROOF_TITLES = {
    Status.OPTIMAL: "Why nothing is better",
    Status.INFEASIBLE: "Why there is no placement",
}

#: An exact value of more characters is given rounded only.
_MAX_EXACT = 40


def result_page(result: Result) -> str:
    """The page on a result, as a whole HTML file."""
    title = f"Placement of {_counted(len(result.instance.models), 'model')} on " + _counted(
        len(result.instance.gpus), "GPU"
    )
    content = (element("h1", title), *_answer(result), *_sections(result), _foot(result))
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
    facts = []
    if result.placement is not None:
        facts.append(("highest KVPR", _exactly(result.placement.max_kvpr)))
    if result.status is not Status.INFEASIBLE:
        facts.append(("no placement is below", _exactly(result.lower_bound)))
        gap = "unknown" if result.gap is None else f"{float(result.gap) * 100:.2g} %"
        facts.append(("gap", gap))
    facts.append(("evidence", _grade(result)))
    yield element(
        "dl", *(joined([element("dt", name), element("dd", value)]) for name, value in facts)
    )


def _sections(result: Result) -> Iterator[Html]:
    if result.placement is not None:
        yield _section(
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
        yield _section("Placement and bound over time", [drawn])
    yield _section(_PROOF_TITLES.get(result.status, "What is proved"), _proof(result))
    if result.placement is not None and result.instance.constraints:
        yield _section("Constraints", _constraints(result.placement))


def _section(title: str, content: Iterable[Html]) -> Html:
    return element("section", element("h2", title), *content)


def _proof(result: Result) -> Iterator[Html]:
    if result.certificate is None:
        yield element("p", "Nothing was proved in this run.")
        return
    lines = explain(result.instance, result.certificate).splitlines()
    yield element("div", *(element("p", line) for line in lines if line.strip()), class_="proof")
    text = result.certificate.to_json().encode()
    address = f"data:application/json;base64,{base64.b64encode(text).decode()}"
    link = element("a", "certificate.json", href=address, download="certificate.json")
    yield element(
        "p",
        "The proof itself is in this page: ",
        link,
        f" ({-(-len(text) // 1000)} kB). ",
        element("code", "kvpr-opt verify FLEET certificate.json"),
        " checks it without any solver.",
        class_="download",
    )


def _constraints(placement: Placement) -> Iterator[Html]:
    """What restricts models, and what of it touches a GPU of the highest KVPR."""
    instance = placement.instance
    constraints, kvpr = instance.constraints, placement.kvpr
    models, gpus = instance.models, instance.gpus

    def row(members: Iterable[int], what: str) -> Html:
        own = list(members)
        where = dict.fromkeys(gpus[placement.gpu_of[model]].name for model in own)
        highest = any(kvpr[gpu] == placement.max_kvpr for gpu in where)
        cells = (_listed(models[model].name for model in own), what, _listed(where))
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


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = len(shown) - MAX_NAMES
    return ", ".join(shown[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _foot(result: Result) -> Html:
    return element(
        "footer",
        f"Written by kvpr-opt {version('kvpr-opt')}. Fleet: SHA-256 ",
        element("code", digest(result.instance)),
        f". Method {result.parameters.get('method', 'auto')}.",
    )


def _grade(result: Result) -> str:
    if result.certificate is None:
        return "nothing proved"
    if result.certified:
        return "certified: anyone can repeat the proof in whole numbers"
    return "rests on the word of a solver, or was not checked for lack of time"


def _exactly(value: object) -> str:
    if not isinstance(value, Fraction):
        return number(value if isinstance(value, float) else None)
    exact = decimal_text(value)
    rounded = number(value)
    return rounded if exact == rounded or len(exact) > _MAX_EXACT else f"{rounded} = {exact}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
