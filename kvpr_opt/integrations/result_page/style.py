"""The styles of this page, in addition to those that all pages share."""

STYLE = """
p { margin: .5rem 0; max-width: 46rem; }
.status { font-weight: 700; text-transform: uppercase; letter-spacing: .04em; }
.optimal { color: var(--good); } .feasible { color: var(--warn); }
.infeasible, .unknown { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .8rem 0; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .4rem 0 1rem; }
.legend li { list-style: none; font-size: .9rem; }
.legend svg { width: .9rem; height: .9rem; vertical-align: -.1rem; margin-right: .4rem; }
.gpus { padding: 0; margin: 0; display: grid; gap: .9rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
.gpus > li { list-style: none; break-inside: avoid; }
.gpu { display: flex; justify-content: space-between; gap: 1rem; }
.gpu b { font-weight: 600; }
.gpu span { font-variant-numeric: tabular-nums; white-space: nowrap; }
.highest span { color: var(--pressed); font-weight: 700; }
.bar { display: block; width: 100%; height: 1.3rem; }
.kvpr { display: block; width: 100%; height: .4rem; margin-top: .15rem; }
.numbers { font-size: .85rem; color: var(--faint); margin: .15rem 0 0; max-width: none; }
.track { fill: var(--panel); }
.reserved { fill: var(--reserved); } .weights { fill: var(--weights); }
.other { fill: var(--other); } .overhead { fill: var(--overhead); }
.floor { fill: var(--floor); } .free { fill: var(--free); } .moved { fill: var(--moved); }
.pressure { fill: var(--faint); } .highest .pressure { fill: var(--pressed); }
.chart { display: block; width: 100%; max-width: 46rem; height: auto; }
.chart path { fill: none; stroke-width: 2.5; vector-effect: non-scaling-stroke; }
.chart .placement { stroke: var(--pressed); }
.chart .lower { stroke: var(--bound); stroke-dasharray: 7 4; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart text { fill: var(--faint); font: 13px system-ui, sans-serif; }
.sample { fill: none; stroke-width: 4; }
.sample.placement { stroke: var(--pressed); }
.sample.lower { stroke: var(--bound); stroke-dasharray: 4 2; }
table { width: 100%; max-width: 60rem; }
th, td { padding: .25rem 1rem .25rem 0; }
th { border-bottom-color: var(--ink); }
.proof { background: var(--panel); padding: .6rem 1rem; border-radius: .3rem; }
.proof p { max-width: none; }
@media (max-width: 40rem) {
  .chart text { font-size: 24px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
@media print {
  .gpus { grid-template-columns: 1fr 1fr; }
  .download { display: none; }
}
"""
