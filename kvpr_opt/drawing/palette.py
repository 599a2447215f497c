"""The colours of all pages, pictures and figures, each named after what it is for.

Lines and bars have the colours of Okabe and Ito (https://jfly.uni-koeln.de/color/), which are
told apart with any colour vision; those of bars differ in lightness as well. Text has a contrast
of at least 4.5 to 1 on the paper that it stands on. Yellow, which is hard to see on white, is
left out.
"""

from __future__ import annotations

_BLUE, _VERMILLION, _GREEN, _BLACK = "#0072b2", "#d55e00", "#009e73", "#000000"
_PURPLE, _ORANGE, _SKY = "#cc79a7", "#e69f00", "#56b4e9"

#: Of the lines of a figure, in order.
SERIES = (_BLUE, _VERMILLION, _GREEN, _BLACK, _PURPLE, _ORANGE, _SKY)

#: Of blocks that lie beside each other and have names on them.
BLOCKS = (_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY, _VERMILLION)

#: In a figure: what is best so far, or worst; a bound; a grid; and an axis.
VALUE, HIGHEST, BOUND, GRID, AXIS = _BLUE, _VERMILLION, _GREEN, "#d9d9d9", "#666666"

#: By what it is for, the colour on a light page and on a dark one.
ROLES: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#16181b"),
    "ink": ("#1a1a1a", "#e8e8e8"),
    "faint": ("#5a5a5a", "#a8a8a8"),
    "line": ("#d5d5d5", "#3c4046"),
    "panel": ("#f5f5f5", "#202328"),
    "link": ("#0b5a92", "#5cb3ec"),
    "good": ("#1a7f4e", "#2fc795"),
    "warn": ("#8a5a00", "#e6a829"),
    "bad": ("#b3261e", "#ff8a7a"),
    "warn-panel": ("#fff4e5", "#33280f"),
    "bad-panel": ("#fdecec", "#3a1d1b"),
    # Figures are drawn in black, and so need white below them on any page.
    "figure": ("#ffffff", "#ffffff"),
    "weights": (_BLUE, "#3f9bd8"),
    "other": ("#4c9bc8", "#2a6c99"),
    "overhead": (_ORANGE, "#e6a829"),
    "floor": (_PURPLE, "#d58fb8"),
    "free": ("#bfe5d8", "#1f5a49"),
    "reserved": ("#8a8a8a", "#6c6c6c"),
    "pressed": (_VERMILLION, "#ef7d2b"),
    "bound": (_GREEN, "#2fc795"),
    "moved": (_GREEN, "#2fc795"),
}

# What paper and ink cost nothing to print.
_PRINTED = {"ink": "#000000", "faint": "#333333", "panel": "#ffffff"}

_LIGHT, _DARK = 0, 1


def custom_properties() -> str:
    """A style sheet with each colour as a property ``--NAME``: light, dark, and on paper."""
    return (
        f":root {{ color-scheme: light dark; {_properties(_LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_properties(_DARK)} }} }}\n"
        "@media print { :root { "
        + " ".join(f"--{name}: {colour};" for name, colour in _PRINTED.items())
        + " } }\n"
    )


def translucent(colour: str, share: float) -> str:
    """A colour through which the page shows, so that it suits light and dark ones alike.

    Examples
    --------
    >>> translucent("#0072b2", 0.7)
    'rgba(0, 114, 178, 0.7)'
    """
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {share:g})"


def paled(colour: str) -> str:
    """A colour mixed with white, on which black text can be read on any page.

    Examples
    --------
    >>> paled("#0072b2")
    '#4c9cc9'
    """
    mixed = (int(0.7 * int(colour[at : at + 2], 16) + 0.3 * 255) for at in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _properties(page: int) -> str:
    return " ".join(f"--{name}: {colours[page]};" for name, colours in ROLES.items())
