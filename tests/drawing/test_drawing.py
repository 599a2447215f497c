"""Placements as figures and as HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from small_fleets import fleet

from kvpr_opt import GPU, LLM, Instance, Placement, Result, solve
from kvpr_opt.drawing.rows import most_pressed
from kvpr_opt.errors import InputError

FLEET = fleet([10, 12], [(3, 1), (4, "7/3"), (2, 0)])


@pytest.fixture(scope="module")
def result() -> Result:
    return solve(FLEET, threads=1)


class Cells(HTMLParser):
    """The texts of a page, and its tags, which have to be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_notebook_shows_who_sits_where(result: Result) -> None:
    cells = Cells(result._repr_html_()).texts
    assert "OPTIMAL" in cells
    assert "0.291667 = 7/24" in cells
    assert result.placement is not None
    for gpu in result.placement.gpus:
        assert gpu.name in cells
        assert ", ".join(gpu.models) in cells


def test_names_cannot_act_on_a_page() -> None:
    name = '<img src=x onerror="alert(1)">'
    instance = Instance([GPU(name, 10)], [LLM(name, 1, pressure=1)])
    text = Placement(instance, [0])._repr_html_()
    assert "<img" not in text
    assert Cells(text).texts.count(name) == 2


def test_of_a_large_fleet_the_most_pressed_are_shown() -> None:
    instance = fleet([10] * 40, [(1, 1 + index) for index in range(40)])
    placement = Placement(instance, range(40))
    text = placement._repr_html_()
    shown = set(re.findall(r">(g\d+)<", text))
    assert shown == {f"g{index}" for index in range(16, 40)}
    assert "The 24 most pressed of 40 GPUs" in text
    assert [row.name for row in most_pressed(placement.gpus, 2)] == ["g38", "g39"]


def test_an_infeasible_fleet_has_no_picture() -> None:
    result = solve(fleet([10], [(11, 1)]))
    assert "INFEASIBLE" in Cells(result._repr_html_()).texts
    with pytest.raises(InputError, match="no placement to draw: the fleet is infeasible"):
        result.plot()


def width(patch: Any) -> float:
    """The width of a rectangle, or of nothing else."""
    return float(patch.get_width())


def test_a_figure_is_to_scale(result: Result) -> None:
    pytest.importorskip("matplotlib")
    axis = result.plot()
    assert result.placement is not None
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == [gpu.name for gpu in result.placement.gpus]
    widths = sorted(width(patch) for patch in axis.patches)
    assert widths == [2, 3, 4, 10, 12]  # the models, and the GPUs around them
    beside = axis.figure.axes[1]
    assert max(width(patch) for patch in beside.patches) == 1


def test_a_figure_may_have_an_axis_of_ones_own(result: Result) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axis = Figure().add_subplot()
    assert result.plot(axis) is axis
    assert len(axis.figure.axes) == 1
    assert any("0.2917" in text.get_text() or "0.29" in text.get_text() for text in axis.texts)


def test_the_progress_ends_where_the_run_ended(result: Result) -> None:
    pytest.importorskip("matplotlib")
    axis = result.plot_progress()
    ends = [line.get_ydata()[-1] for line in axis.lines]
    assert ends == [pytest.approx(7 / 24)] * 2


def test_without_matplotlib_a_figure_says_what_it_requires(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(InputError, match=r"a figure requires matplotlib .*kvpr-opt\[study\]"):
        result.plot_progress()


def test_a_name_is_no_formula_and_stays_on_its_bar(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    odd = r"$\frac$ no formula"
    instance = Instance(
        [GPU(r"$x_{$", 80)], [LLM(odd, 40, pressure=1), LLM("a-long-name" * 9, 20, pressure=1)]
    )
    placement = solve(instance).placement
    assert placement is not None
    axis = placement.plot()
    axis.figure.savefig(tmp_path / "placement.png")  # matplotlib reads texts as it draws them
    texts = [text.get_text() for text in axis.texts]
    assert odd in texts
    (cut,) = [text for text in texts if text.startswith("a-long-name")]
    assert cut.endswith("…")
    assert len(cut) < 30
