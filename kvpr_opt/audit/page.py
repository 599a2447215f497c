"""An audit as one self-contained HTML page: no scripts, fonts or network access."""

from __future__ import annotations

import math
from pathlib import Path

from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.program import EXECUTABLE
from kvpr_opt.audit.summary import facts, headline, outcome, percent, problems, scores, verdict_text
from kvpr_opt.drawing.sheet import document
from kvpr_opt.environment import versions
from kvpr_opt.html import Html, element, joined
from kvpr_opt.problem.placement import Kvpr
from kvpr_opt.text import printable

_STYLE = """
h2 { font-size: 1.05rem; }
p { margin: .25rem 0; }
.soft { color: var(--faint); }
.badge { display: inline-block; padding: .1rem .6rem; border-radius: .3rem; font-weight: 600; }
.badge { color: var(--paper); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.good { background: var(--good); } .bad { background: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }
.tile { flex: 1 1 11rem; padding: .6rem .8rem; border: 1px solid var(--line);
        border-radius: .4rem; }
.tile b { display: block; font-size: 1.6rem; font-weight: 600; }
.tile.alarm { border-color: var(--bad); } .tile.alarm b { color: var(--bad); }
dl { margin: 0; display: grid; grid-template-columns: 7.5rem 1fr; gap: .3rem .8rem; }
dd.wrong { color: var(--bad); } dd.note { color: var(--warn); }
.scroll { overflow-x: auto; }
table { width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; }
th { color: var(--faint); }
th.n, td.n { text-align: right; white-space: nowrap; }
td.name { min-width: 5rem; }
td.gap { min-width: 5rem; width: 22%; }
.track { background: var(--panel); height: .45rem; border-radius: .2rem; margin-top: .2rem; }
.fill { background: var(--weights); height: 100%; border-radius: .2rem; }
@media (max-width: 40rem) { .spare { display: none; } th, td { padding: .25rem .35rem; }
  dl { grid-template-columns: 4.5rem 1fr; } .tile { flex-basis: 100%; } }
td.wrong { color: var(--bad); } td.odd { color: var(--warn); } td.fine { color: var(--good); }
"""


def page(audit: Audit) -> str:
    """The page.

    Parameters
    ----------
    audit
        What to show; all names from programs and files are escaped.
    """
    program = printable(Path(audit.program.path).name)
    badge = element(
        "span",
        outcome(audit),
        class_=f"badge {'good' if audit.valid else 'bad'}",
    )
    return document(
        f"Audit of {program}",
        _STYLE,
        element("h1", f"{program} on {printable(audit.suite)}"),
        element("p", badge, f" {headline(audit)}"),
        _tiles(audit),
        element("h2", "Findings"),
        _facts(audit),
        element("h2", "Cases"),
        _table(audit),
        element("h2", "How it was run"),
        _protocol(audit),
    )


def _tiles(audit: Audit) -> Html:
    """The three scores side by side; an impossible one is marked."""
    tiles = []
    for name, value, remark in scores(audit):
        alarm = audit.impossible and name.startswith("naive")
        tiles.append(
            element(
                "div",
                element("span", name, class_="soft"),
                element("b", value),
                element("span", remark, class_="soft"),
                class_="tile alarm" if alarm else "tile",
            )
        )
    return element("div", *tiles, class_="tiles")


def _facts(audit: Audit) -> Html:
    items = []
    for name, text in [*problems(audit), *facts(audit)]:
        items += [element("dt", name), element("dd", printable(text), class_=name)]
    return element("dl", *items)


def _table(audit: Audit) -> Html:
    heads = (
        ("case", ""),
        ("GPUs", "n spare"),
        ("models", "n spare"),
        ("KVPR", "n"),
        ("bound", "n"),
        ("naive", "n spare"),
        ("gap", ""),
        ("verdict", ""),
    )
    head = element("tr", *(element("th", name, class_=kind) for name, kind in heads))
    largest = float(max(audit.gaps, default=0))
    rows = [_row(case, largest) for case in audit.cases]
    table = element("table", element("thead", head), element("tbody", *rows))
    return joined(
        [
            element("div", table, class_="scroll"),
            element(
                "p",
                "KVPR: the exact maximum of the answer, in decimals. Bound: proved, and the "
                "optimum unless marked with *. Naive: what an evaluator without checks reads "
                "off the answer. Gap: (KVPR - bound) / KVPR of a valid answer.",
                class_="soft",
            ),
        ]
    )


def _row(case: CaseAudit, largest: float) -> Html:
    fleet = case.case
    details = " ".join(str(finding) for finding in case.findings)
    kind = "wrong" if not case.valid else "fine" if case.repeatable else "odd"
    bound = _number(fleet.lower_bound) + ("" if fleet.optimal else "*")
    return element(
        "tr",
        element("td", printable(fleet.name), class_="name"),
        element("td", str(len(fleet.instance.gpus)), class_="n spare"),
        element("td", str(len(fleet.instance.models)), class_="n spare"),
        element("td", _number(case.max_kvpr), class_="n"),
        element("td", bound, class_="n"),
        element("td", _number(case.runs[0].reading.naive), class_="n spare"),
        element("td", percent(case), _bar(case, largest), class_="gap"),
        element("td", verdict_text(case), class_=kind, title=printable(details)),
    )


def _bar(case: CaseAudit, largest: float) -> Html:
    if not case.gap or not largest:
        return Html()
    share = 100 * float(case.gap) / largest
    return element(
        "div", element("div", class_="fill", style=f"width:{share:.1f}%"), class_="track"
    )


def _number(value: Kvpr | None) -> str:
    if value is None:
        return "-"
    return "inf" if value == math.inf else f"{float(value):#.5g}"


def _protocol(audit: Audit) -> Html:
    limits = audit.limits
    memory = f"{limits.memory >> 20} MB of memory" if limits.memory else "no limit on memory"
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    contract = audit.program.contract
    kind = contract if contract == EXECUTABLE else f"function {contract}"
    python = f" by {printable(audit.program.python)}" if audit.program.python else ""
    return joined(
        [
            element(
                "p",
                f"Each run in a process of its own with {limits.seconds:g} s and {memory}; "
                f"the {kind} is in {printable(audit.program.path)}, run{python}.",
            ),
            element("p", used, class_="soft"),
        ]
    )
