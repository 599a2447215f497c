"""The style sheet of the page: light and dark, narrow and wide, on paper.

Colours of the bars are those of Okabe and Ito (https://jfly.uni-koeln.de/color/); patterns are
told apart by lightness as well.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1a1a1a; --faint: #5a5a5a; --line: #d5d5d5; --panel: #f5f5f5;
  --weights: #0072b2; --other: #4c9bc8; --overhead: #e69f00; --floor: #cc79a7;
  --free: #bfe5d8; --reserved: #8a8a8a; --pressed: #d55e00; --bound: #009e73;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #e8e8e8; --faint: #a8a8a8; --line: #3c4046; --panel: #202328;
    --weights: #3f9bd8; --other: #2a6c99; --overhead: #e6a829; --floor: #d58fb8;
    --free: #1f5a49; --reserved: #6c6c6c; --pressed: #ef7d2b; --bound: #2fc795;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 0 1rem 3rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .8rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 46rem; }
.status { font-weight: 700; text-transform: uppercase; letter-spacing: .04em; }
.optimal, .feasible { color: var(--bound); }
.feasible { color: var(--overhead); }
.infeasible, .unknown { color: var(--pressed); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .8rem 0; }
dt { color: var(--faint); }
dd { margin: 0; }
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
.floor { fill: var(--floor); } .free { fill: var(--free); }
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
table { border-collapse: collapse; font-size: .92rem; width: 100%; max-width: 60rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; }
th { border-bottom: 1px solid var(--ink); } td { border-bottom: 1px solid var(--line); }
.proof { background: var(--panel); padding: .6rem 1rem; border-radius: .3rem; }
.proof p { max-width: none; }
a { color: var(--weights); }
code { font-family: ui-monospace, monospace; font-size: .9em; }
footer { margin-top: 2.5rem; font-size: .85rem; color: var(--faint); }
@media (max-width: 40rem) {
  .chart text { font-size: 24px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
}
@media print {
  :root { --paper: #fff; --ink: #000; --faint: #333; --panel: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .gpus { grid-template-columns: 1fr 1fr; }
  h2 { break-after: avoid; } .download { display: none; }
}
"""
