"""The style sheet of the page."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 0 1rem 3rem;
  background: #fff; color: #1a1a1a; font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid #bbb; }
h3 { font-size: 1.05rem; margin: 1rem 0 .5rem; }
a { color: #0b4f8a; }
.warning, .wrong { padding: .5rem .75rem; border-left: .3rem solid #b35900; background: #fff4e5; }
.wrong { border-color: #a40000; background: #fdecec; }
.figures {
  display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
}
figure { margin: 0; max-width: 36rem; }
figure svg { display: block; width: 100%; height: auto; margin-bottom: .5rem; }
figcaption { font-size: .9rem; color: #333; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .92rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .25rem .7rem .25rem 0; vertical-align: top; border-bottom: 1px solid #ddd; }
th { text-align: right; font-weight: 600; overflow-wrap: normal; }
th:first-child, td.text { text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
pre, .commands { background: #f4f4f4; font-size: .88rem; margin: 1rem 0; }
.commands { padding: .6rem .8rem .6rem 2.8rem; }
.commands code { display: block; text-indent: -2rem; }
.commands span { white-space: nowrap; text-indent: 0; }
pre { padding: .6rem .8rem; white-space: pre-wrap; }
code { font-family: ui-monospace, monospace; }
dt { font-weight: 600; }
dd { margin: 0 0 .6rem 1.2rem; }
summary { cursor: pointer; }
@media (max-width: 60rem) {
  table, caption, tr { display: block; }
  tbody { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); }
  thead { display: none; }
  tr { border: 1px solid #bbb; border-radius: .3rem; padding: .2rem .6rem; }
  td { display: flex; justify-content: space-between; gap: 1rem; padding: .15rem 0; }
  td::before { content: attr(data-head); color: #444; font-weight: 400; }
  td::before { text-align: left; overflow-wrap: normal; }
  td:last-child { border-bottom: 0; }
  td.text { font-weight: 600; text-align: right; }
}
"""
