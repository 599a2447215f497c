"""The styles of these pages: those of a result page, plus those for a trade-off and a plan."""

from kvpr_opt.integrations.result_page.style import STYLE as RESULT_STYLE

STYLE = (
    RESULT_STYLE
    + """
.chart .whisker { stroke: var(--bound); stroke-width: 3; }
.chart circle { stroke: var(--pressed); stroke-width: 2; }
.chart .proved { fill: var(--pressed); } .chart .open { fill: var(--paper); }
.chart .ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.chart .mark { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--paper);
  stroke-width: 4px; }
.sample.whisker { stroke: var(--bound); }
th, td { overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.name { overflow-wrap: anywhere; min-width: 4rem; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
tr.chosen td { background: var(--panel); font-weight: 600; }
.pairs { padding: 0; margin: 0; }
.pairs > li { list-style: none; break-inside: avoid; padding: .5rem 0;
  border-bottom: 1px solid var(--line); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem 2rem; }
.pair > div { min-width: 0; }
.when { font-size: .8rem; color: var(--faint); text-transform: uppercase; letter-spacing: .04em; }
.level { width: 6rem; }
.level .track { background: var(--panel); height: .5rem; margin-top: .45rem; }
.level .fill { background: var(--pressed); height: 100%; }
tr.unit td { border-top: 2px solid var(--line); }
.stop td { color: var(--bad); }
@media (max-width: 40rem) {
  .spare { display: none; }
  .pair { grid-template-columns: 1fr; }
  .chart circle { stroke-width: 4; }
  table { font-size: .8rem; }
  th, td { padding-right: .5rem; }
}
@media print { tr { break-inside: avoid; } }
"""
)
