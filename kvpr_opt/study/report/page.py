"""The page of a report: one self-contained HTML file.

On a narrow screen each row of a table becomes a small table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kvpr_opt.drawing.sheet import document
from kvpr_opt.html import Html, element, joined
from kvpr_opt.study.analysis.outcomes import Outcomes
from kvpr_opt.study.analysis.pcmax import (
    CLOSED,
    CLOSED_COLUMNS,
    COLUMNS,
    CONTRADICTIONS,
    schedule_results,
)
from kvpr_opt.study.analysis.statistics import RESAMPLES
from kvpr_opt.study.analysis.table import provenance
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.report.commands import generate_commands, solve_commands
from kvpr_opt.study.report.drawing import Drawing
from kvpr_opt.study.report.tables import ReportTable, by_cell, comparison, counted, summaries
from kvpr_opt.text import one_line

# Entries shown in lists of failures, contradictions and commands; the record has them all.
_MAX_LINES = 30

# Closed instances of P||Cmax in a table; `study report` prints all of them.
_MAX_CLOSED = 200

_DOIS = {
    "Dolan and Moré 2002": "10.1007/s101070100263",
    "Berthold 2013": "10.1016/j.orl.2013.08.007",
}

_TERMS = (
    ("closed", "Proved optimally placed, or proved to have no placement."),
    ("certified", "Closed, with a proof that the checker accepts without a solver's word."),
    (
        "feasible, infeasible, undecided",
        "What all runs together know of a fleet: a placement was found; it was proved that "
        "there is none; neither.",
    ),
    (
        "time, s",
        "Shifted geometric mean (shift 1 s) of the wall time. A run that hit its limit, or "
        "failed, counts with the limit; one that ended by itself without a proof, such as a "
        "heuristic, counts with its own time.",
    ),
    (
        "gap, %",
        "(placement - lower bound) / placement, at the end of the run; unknown without a "
        "placement or a bound. Failed runs are left out.",
    ),
    (
        "primal integral, s",
        "The area under the primal gap up to the largest limit that any run on the fleet had: "
        "the distance from the best placement that any method found, as a share of the larger "
        "value, 1 before the first placement (Berthold 2013). 0 is best.",
    ),
    (
        "performance profile",
        "The share of fleets closed within a multiple of the fastest method's time (Dolan and "
        "Moré 2002). At ratio 1 it shows how often a method is fastest, to the right how many "
        "fleets it closes at all.",
    ),
    (
        "comparison",
        "Two methods on the same fleets: the ratio of their mean times as above (below 1 the "
        "first is faster) and the mean differences of gaps and primal integrals (below 0 the "
        "first is better). In the difference an unknown gap counts as 100 %. In brackets is the "
        f"95 % percentile interval of {RESAMPLES} bootstrap samples of fleets, from a fixed "
        "seed. Intervals are not corrected for their number; with few fleets they are too short.",
    ),
)


def page(
    runs: Sequence[RecordedRun],
    outcomes: Outcomes,
    drawings: Sequence[Drawing],
    *,
    left: int,
    spec: str,
) -> str:
    """The whole page.

    Parameters
    ----------
    runs
        The recorded runs.
    outcomes
        What was read from it.
    drawings
        The figures, in their order on the page.
    left
        Runs that were asked for and are not recorded.
    spec
        The text of the study's file; empty if there is none.
    """
    title = "Report of a study"
    sections = [
        _section("Summary", "summary", _summary(runs, outcomes, left)),
        _section("Figures", "figures", _figures(drawings)),
        _section("Comparison of methods", "comparison", _comparison(outcomes)),
        _section("By family", "families", _families(outcomes)),
        _section("P||Cmax", "schedules", _schedules(runs)),
        _section("By size", "cells", _cells(runs)),
        _section("Failed runs", "failures", _failures(outcomes)),
        _section("How to run it again", "again", _again(runs, spec)),
        _section("Terms", "terms", _terms()),
    ]
    return document(title, _STYLE, element("h1", title), *sections)


def _section(title: str, name: str, content: Iterable[Html]) -> Html:
    """A section with its heading; nothing if it has no content."""
    parts = list(content)
    return element("section", element("h2", title), *parts, id=name) if parts else Html()


def _summary(runs: Sequence[RecordedRun], outcomes: Outcomes, left: int) -> Iterator[Html]:
    closed = {run.fleet for run in outcomes.all if run.closed}
    yield element(
        "p",
        f"{counted(len(outcomes.all), 'run')}: {counted(len(outcomes.methods), 'method')} on "
        f"{counted(len(outcomes.fleets), 'fleet')}, of which {len(closed)} were closed; "
        f"{counted(sum(run.failed for run in outcomes.all), 'run')} failed.",
    )
    if left:
        text = f"Not complete: {counted(left, 'run')} left to do."
        yield element("p", text, class_="warning")
    wrong = outcomes.contradictions()
    if wrong:
        yield element("p", "Runs contradict each other; no result can be trusted:", class_="wrong")
        yield _listed(wrong)
    for what in ("machine", "versions"):
        facts = [getattr(recorded, what) for recorded in runs]
        if len({str(sorted(found.items())) for found in facts if found}) > 1:
            text = f"Not all runs were made with the same {what}; those in use are listed below."
            yield element("p", text, class_="warning")
    yield from map(_table, summaries(outcomes, outcomes.fleets, "All families"))
    if outcomes.shared != outcomes.fleets:
        what = "Only what all methods were run on"
        yield from map(_table, summaries(outcomes, outcomes.shared, what))


def _figures(drawings: Sequence[Drawing]) -> Iterator[Html]:
    if not drawings:
        yield element("p", "No run can be shown in a figure.")
        return
    yield element(
        "p",
        "A method has the same colour, line and marker in all figures. Each is in the folder "
        "of figures as SVG and PDF, by the name given below it.",
    )
    yield element("div", *map(_figure, drawings), class_="figures")


def _figure(drawing: Drawing) -> Html:
    caption = element("figcaption", drawing.caption, " ", element("code", drawing.name))
    return element("figure", element("h3", drawing.title), Html(drawing.inline), caption)


def _comparison(outcomes: Outcomes) -> Iterator[Html]:
    table = comparison(outcomes)
    if table is not None:
        yield _table(table)


def _families(outcomes: Outcomes) -> Iterator[Html]:
    for family in dict.fromkeys(fleet.family for fleet in outcomes.fleets):
        fleets = [fleet for fleet in outcomes.fleets if fleet.family == family]
        yield from map(_table, summaries(outcomes, fleets, family))


def _cells(runs: Sequence[RecordedRun]) -> Iterator[Html]:
    if runs:
        summary = element("summary", "Counts, times and gaps by size and method")
        yield element("details", summary, _table(by_cell(runs), text_columns=2))


def _schedules(runs: Sequence[RecordedRun]) -> Iterator[Html]:
    results = schedule_results(runs)
    if results is None:
        return
    if results.contradictions:
        yield element("p", CONTRADICTIONS, class_="wrong")
        yield _listed(results.contradictions)
    yield _table(ReportTable("By class and method", COLUMNS, results.rows), text_columns=2)
    if results.closed:
        lines = results.closed[:_MAX_CLOSED]
        caption = CLOSED.rstrip(":")
        if len(lines) < len(results.closed):
            caption += f"; the first {len(lines)} of {len(results.closed)}"
        yield _table(ReportTable(caption, CLOSED_COLUMNS, lines), text_columns=2)


def _failures(outcomes: Outcomes) -> Iterator[Html]:
    failed = [run for run in outcomes.all if run.failed]
    if failed:
        yield _listed([f"{run.fleet.name}, {run.method}: {run.error}" for run in failed])


def _again(runs: Sequence[RecordedRun], spec: str) -> Iterator[Html]:
    for line in provenance(runs):
        yield element("p", one_line(line))
    ended = sorted(recorded.ended for recorded in runs if recorded.ended)
    if ended:
        yield element(
            "p", f"The first run ended at {one_line(ended[0])}, the last at {one_line(ended[-1])}."
        )
    if spec:
        yield element("p", "The whole study, from the file below as study.toml:")
        yield _code(
            [
                "kvpr-opt study run study.toml --output again",
                "kvpr-opt study report again --html",
            ]
        )
        summary = element("summary", "study.toml")
        yield element("details", summary, element("pre", element("code", spec)))
    commands = [generate_commands(runs), solve_commands(runs)]
    if any(commands):
        yield element("p", "A single run: one command that writes a fleet, one that solves it.")
        yield from (_code(found) for found in commands if found)


def _terms() -> Iterator[Html]:
    terms = (joined([element("dt", name), element("dd", text)]) for name, text in _TERMS)
    yield element("dl", *terms)
    for name, doi in _DOIS.items():
        link = element("a", f"doi:{doi}", href=f"https://doi.org/{doi}")
        yield element("p", f"{name}: ", link)


def _listed(lines: Sequence[str]) -> Html:
    more = [f"and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else []
    return element("ul", *(element("li", line) for line in [*lines[:_MAX_LINES], *more]))


def _code(lines: Sequence[str]) -> Html:
    """Commands as separate blocks, which break only between words on a narrow screen."""
    more = [f"# and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else []
    blocks = []
    for line in [*lines[:_MAX_LINES], *more]:
        words = [
            joined([" " * (place > 0), element("span", word)])
            for place, word in enumerate(line.split(" "))
        ]
        blocks.append(element("code", *words))
    return element("div", *blocks, class_="commands")


def _table(table: ReportTable, text_columns: int = 1) -> Html:
    """A table whose cells carry the heading of their column, for narrow screens."""
    heads = [element("th", head, scope="col") for head in table.heads]
    lines = [
        element(
            "tr",
            *(
                element("td", text, data_head=head, class_="text" if c < text_columns else "number")
                for c, (head, text) in enumerate(zip(table.heads, line, strict=True))
            ),
        )
        for line in table.lines
    ]
    return element(
        "table",
        element("caption", table.caption),
        element("thead", element("tr", *heads)),
        element("tbody", *lines),
    )


_STYLE = """
.warning, .wrong {
  padding: .5rem .75rem; border-left: .3rem solid var(--warn); background: var(--warn-panel);
}
.wrong { border-color: var(--bad); background: var(--bad-panel); }
.figures {
  display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
}
figure { max-width: 36rem; break-inside: avoid; }
figure svg {
  display: block; width: 100%; height: auto; margin-bottom: .5rem; background: var(--figure);
}
figcaption { font-size: .9rem; color: var(--faint); }
table { margin: 1rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .25rem .7rem .25rem 0; }
th { text-align: right; overflow-wrap: normal; }
th:first-child, td.text { text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
pre, .commands { background: var(--panel); font-size: .88rem; margin: 1rem 0; }
.commands { padding: .6rem .8rem .6rem 2.8rem; }
.commands code { display: block; text-indent: -2rem; }
.commands span { white-space: nowrap; text-indent: 0; }
pre { padding: .6rem .8rem; white-space: pre-wrap; }
dt { font-weight: 600; color: var(--ink); }
dd { margin: 0 0 .6rem 1.2rem; }
summary { cursor: pointer; }
@media (max-width: 60rem) {
  table, caption, tr { display: block; }
  tbody { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); }
  thead { display: none; }
  tr { border: 1px solid var(--line); border-radius: .3rem; padding: .2rem .6rem; }
  td { display: flex; justify-content: space-between; gap: 1rem; padding: .15rem 0; }
  td::before { content: attr(data-head); color: var(--faint); font-weight: 400; }
  td::before { text-align: left; overflow-wrap: normal; }
  td:last-child { border-bottom: 0; }
  td.text { font-weight: 600; text-align: right; }
}
"""
