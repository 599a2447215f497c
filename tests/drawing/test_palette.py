"""Colours are in one place, can be read, and are the same wherever they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kvpr_opt
from kvpr_opt.drawing.palette import ROLES, SERIES, custom_properties
from kvpr_opt.drawing.sheet import document
from kvpr_opt.html import element

PACKAGE = Path(kvpr_opt.__path__[0])
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b|rgba?\(\d|tab:[a-z]")


def test_no_other_module_names_a_colour() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if _COLOUR.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"drawing/palette.py"}


def test_no_page_uses_a_colour_that_there_is_not() -> None:
    used = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(r"var\(--([a-z-]+)\)", path.read_text(encoding="utf-8"))
    }
    assert used == set(ROLES)


@pytest.mark.parametrize("page", [0, 1])
@pytest.mark.parametrize(
    ("text", "below"),
    [
        *((text, "paper") for text in ("ink", "faint", "link", "good", "warn", "bad")),
        *((text, "panel") for text in ("ink", "faint")),
        ("ink", "warn-panel"),
        ("ink", "bad-panel"),
    ],
)
def test_text_can_be_read(page: int, text: str, below: str) -> None:
    light, dark = sorted((luminance(ROLES[name][page]) for name in (text, below)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(w * s for w, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_pictures_of_notebooks_have_the_same_colours() -> None:
    style = (PACKAGE.parent / "notebooks" / "kvpr.mplstyle").read_text(encoding="utf-8")
    cycle = re.findall(r'"([0-9A-F]{6})"', style)
    assert {f"#{colour.lower()}" for colour in cycle} == set(SERIES)


def test_a_page_loads_nothing_and_has_light_dark_and_paper() -> None:
    text = document("a < b", "", element("p", "c"))
    assert "<title>a &lt; b</title>" in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    properties = custom_properties()
    assert "prefers-color-scheme: dark" in properties
    assert "@media print" in properties
    assert properties in text
