"""A page as one file: its head, and the style that all pages share.

It loads nothing and has no scripts; a policy in its head forbids both. It suits narrow and wide
screens, light and dark, and paper.
"""

from __future__ import annotations

from kvpr_opt.drawing.palette import custom_properties
from kvpr_opt.html import Html, element

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 0 1rem 3rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .2rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .8rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1rem 0 .5rem; }
a { color: var(--link); }
code { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
dt { color: var(--faint); }
dd { margin: 0; }
figure { margin: 0; }
footer { margin-top: 2.5rem; font-size: .85rem; color: var(--faint); }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3 { break-after: avoid; }
  svg, .track, .fill { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def document(title: str, style: str, *content: Html) -> str:
    """The whole file.

    Parameters
    ----------
    title
        What the window is called.
    style
        Rules of this page, beside those that all pages have; colours are the properties of
        :func:`kvpr_opt.drawing.palette.custom_properties`.
    content
        What is on the page, in order.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", Html(custom_properties() + _STYLE + style)),
    )
    return f"<!doctype html>\n{element('html', head, element('body', *content), lang='en')}\n"
