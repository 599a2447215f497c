"""An audit as one page of HTML that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.summary import facts, headline, percent, problems, scores, verdict_text
from kvpr_opt.environment import versions
from kvpr_opt.problem.placement import Kvpr

_STYLE = """
:root { --ink: #1c2733; --soft: #5b6876; --line: #dde3e9; --good: #1a7f4e; --bad: #b3261e;
        --warn: #9a6200; --bar: #4a7dbd; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
       background: #fff; max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.badge { display: inline-block; padding: .1rem .6rem; border-radius: .3rem; color: #fff;
         font-weight: 600; }
.good { background: var(--good); } .bad { background: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }
.tile { flex: 1 1 11rem; padding: .6rem .8rem; border: 1px solid var(--line);
        border-radius: .4rem; }
.tile b { display: block; font-size: 1.6rem; font-weight: 600; }
.tile.alarm { border-color: var(--bad); } .tile.alarm b { color: var(--bad); }
dl { margin: 0; display: grid; grid-template-columns: 7.5rem 1fr; gap: .3rem .8rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
dd.wrong { color: var(--bad); } dd.note { color: var(--warn); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: left; border-bottom: 1px solid var(--line);
         vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
th.n, td.n { text-align: right; white-space: nowrap; }
td.name { overflow-wrap: anywhere; min-width: 5rem; }
td.gap { min-width: 5rem; width: 22%; }
.track { background: #eef2f6; height: .45rem; border-radius: .2rem; margin-top: .2rem; }
.fill { background: var(--bar); height: 100%; border-radius: .2rem; }
@media (max-width: 40rem) { .spare { display: none; } th, td { padding: .25rem .35rem; }
  dl { grid-template-columns: 4.5rem 1fr; } .tile { flex-basis: 100%; } }
td.wrong { color: var(--bad); } td.odd { color: var(--warn); } td.fine { color: var(--good); }
"""


def page(audit: Audit) -> str:
    """The page.

    Parameters
    ----------
    audit
        What to show; whatever a program or a file has named is escaped.
    """
    program = escape(Path(audit.program.path).name)
    kind = "good" if audit.valid else "bad"
    verdict = "VALID" if audit.valid else "NOT VALID"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {program}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{program} on {escape(audit.suite)}</h1>
<p><span class="badge {kind}">{verdict}</span> {headline(audit)}</p>
{_tiles(audit)}
<h2>Findings</h2>
{_facts(audit)}
<h2>Cases</h2>
{_table(audit)}
<h2>How it was run</h2>
{_protocol(audit)}
</body>
</html>
"""


def _tiles(audit: Audit) -> str:
    """The three scores side by side; one that cannot be is marked."""
    tiles = "".join(
        f'<div class="tile{" alarm" if audit.impossible and name.startswith("naive") else ""}">'
        f'<span class="soft">{name}</span><b>{value}</b><span class="soft">{remark}</span></div>'
        for name, value, remark in scores(audit)
    )
    return f'<div class="tiles">{tiles}</div>'


def _facts(audit: Audit) -> str:
    items = "".join(
        f'<dt>{name}</dt><dd class="{name}">{escape(text)}</dd>'
        for name, text in [*problems(audit), *facts(audit)]
    )
    return f"<dl>{items}</dl>"


def _table(audit: Audit) -> str:
    largest = float(max(audit.gaps, default=0))
    rows = "\n".join(_row(case, largest) for case in audit.cases)
    return (
        '<div class="scroll"><table><thead><tr><th>case</th><th class="n spare">GPUs</th>'
        '<th class="n spare">models</th><th class="n">KVPR</th><th class="n">bound</th>'
        '<th class="n spare">naive</th><th>gap</th><th>verdict</th></tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
        '<p class="soft">KVPR: the exact maximum of the answer, in decimals. Bound: proved, '
        "and the optimum unless marked with *. Naive: what an evaluator without checks "
        "reads off the answer. Gap: (KVPR - bound) / KVPR of a valid answer.</p>"
    )


def _row(case: CaseAudit, largest: float) -> str:
    fleet = case.case
    details = " ".join(str(finding) for finding in case.findings)
    kind = "wrong" if not case.valid else "fine" if case.repeatable else "odd"
    bound = _number(fleet.lower_bound) + ("" if fleet.optimal else "*")
    cells = [
        f'<td class="name">{escape(fleet.name)}</td>',
        f'<td class="n spare">{len(fleet.instance.gpus)}</td>',
        f'<td class="n spare">{len(fleet.instance.models)}</td>',
        f'<td class="n">{_number(case.max_kvpr)}</td>',
        f'<td class="n">{bound}</td>',
        f'<td class="n spare">{_number(case.runs[0].reading.naive)}</td>',
        f'<td class="gap">{percent(case)}{_bar(case, largest)}</td>',
        f'<td class="{kind}" title="{escape(details)}">{escape(verdict_text(case))}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _bar(case: CaseAudit, largest: float) -> str:
    if not case.gap or not largest:
        return ""
    share = 100 * float(case.gap) / largest
    return f'<div class="track"><div class="fill" style="width:{share:.1f}%"></div></div>'


def _number(value: Kvpr | None) -> str:
    if value is None:
        return "-"
    return "inf" if value == math.inf else f"{float(value):#.5g}"


def _protocol(audit: Audit) -> str:
    bounds = audit.bounds
    memory = f"{bounds.memory >> 20} MB of memory" if bounds.memory else "no limit on memory"
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        f"<p>Each run in a process of its own with {bounds.seconds:g} s and {memory}; the "
        f"{'function' if audit.program.interface == 'function' else 'executable'} "
        f"is {escape(audit.program.path)}.</p>"
        f'<p class="soft">{escape(used)}</p>'
    )
