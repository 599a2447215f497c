"""The page and the figures of a report."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import msgspec
import pytest
from report_records import AUTO, OTHER, entry, infeasible, ran

from kvpr_opt import read_instance
from kvpr_opt.certificates.canonical import digest
from kvpr_opt.cli import main
from kvpr_opt.errors import InputError
from kvpr_opt.html import element
from kvpr_opt.study.analysis.reading import read_outcomes
from kvpr_opt.study.record import FILE_NAME
from kvpr_opt.study.record_line import encode_line
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.report import write_report
from kvpr_opt.study.report.commands import generate_commands, solve_commands
from kvpr_opt.study.report.drawing import MAX_POINTS, Chart, settings, thinned
from kvpr_opt.study.report.page import page
from kvpr_opt.study.report.tables import comparison, summaries
from kvpr_opt.study.runs import Method
from kvpr_opt.study.user_heuristics import UserHeuristic
from kvpr_opt.suites.cells import PRISM, Cell, FixedFleet

EVIL = "<script>alert('x')</script> & \"$x^2$ <img src=x onerror=y>"

STEPS = ((0.01, 0.4, 0.1), (0.5, 0.2, 0.1))

TWO_METHODS = [
    ran(0, 1.0, "1/5", "1/5", *STEPS),
    ran(0, 60.1, "2/9", "1/9", *STEPS, method=OTHER),
    ran(1, 2.0, "1/5", "1/5", *STEPS),
    entry(1, error="ValueError: no", method=OTHER),
]


class Outline(HTMLParser):
    """Tags, names and attributes of a page; fails where an element is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(entries: list[RecordedRun], **options: Any) -> str:
    """A page without figures, which take long to draw."""
    return page(entries, read_outcomes(entries), [], **{"left": 0, "spec": "", **options})


def named(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "figures").glob("*.svg")}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a report of two methods, the page first."""
    before = dict(mpl.rcParams)
    folder = tmp_path_factory.mktemp("report")
    written = write_report(TWO_METHODS, folder / "report.html", spec="seeds = 1")
    assert dict(mpl.rcParams) == before
    return written


def test_a_page_holds_all_figures_and_loads_nothing(report: list[Path]) -> None:
    outline = Outline(report[0].read_text(encoding="utf-8"))
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert outline.tags.count("svg") == 8
    assert not {"script", "img", "image", "link", "iframe"} & set(outline.tags)
    links = {value for name, value in outline.attributes if name in ("href", "src", "xlink:href")}
    outside = {value for value in links if value and not value.startswith("#")}
    assert all(value.startswith("https://doi.org/10.") for value in outside)
    assert {value[1:] for value in links - outside if value} <= set(ids)


def test_each_figure_is_there_as_svg_and_pdf_with_units_on_its_axes(report: list[Path]) -> None:
    folder = report[0].parent
    assert set(folder.rglob("*.*")) == set(report)
    names = {
        *("closed", "profile", "gaps", "distance"),
        *("primal", "dual", "integral", "trajectory_1"),
    }
    assert named(folder) == names
    for path in report[1:]:
        if path.suffix == ".pdf":
            assert path.stem in names
            assert path.read_bytes().startswith(b"%PDF")
        else:
            texts = list(ElementTree.fromstring(path.read_text(encoding="utf-8")).itertext())
            assert any("auto" in text for text in texts)
            labels = [text for text in texts if re.search(r", s$|%$|ratio|fleets|method$", text)]
            assert len(labels) == 2, "one for each axis"


def test_the_same_record_gives_the_same_files_in_another_process(
    report: list[Path], tmp_path: Path
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"".join(map(encode_line, TWO_METHODS)))
    code = (
        "import sys; from kvpr_opt.study.record import read_record;"
        "from kvpr_opt.study.report import write_report;"
        "write_report(read_record('.').runs, 'report.html', spec='seeds = 1');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment, timeout=120
    )
    for path in report:
        again = tmp_path / path.relative_to(report[0].parent)
        assert again.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("entries", "figures", "said"),
    [
        ([], set(), "0 runs"),
        (
            [entry(0, error="x"), entry(0, error="y", method=OTHER)],
            set(),
            "No run can be shown in a figure",
        ),
        ([infeasible(0, 0.0)], {"closed"}, "1 infeasible fleet"),
        ([ran(0, 60.1, None, None)], {"closed"}, "1 undecided fleet"),
        (
            [ran(0, 60.1, "0", None)],
            {"closed", "primal", "dual", "integral", "trajectory_1"},
            "1 feasible fleet",
        ),
        (
            [ran(0, 1.0, None, None), ran(1, 1.0, None, None, method=OTHER)],
            {"closed_all"},
            "2 undecided fleets",
        ),
    ],
    ids=["empty", "failures", "infeasible", "undecided", "open", "nothing shared"],
)
def test_records_with_little_in_them(
    tmp_path: Path, entries: list[RecordedRun], figures: set[str], said: str
) -> None:
    (first, *_) = write_report(entries, tmp_path / "page.html")
    assert named(tmp_path) == figures
    text = first.read_text(encoding="utf-8")
    Outline(text)
    assert said in text


def test_names_and_errors_cannot_put_anything_into_the_page(tmp_path: Path) -> None:
    method = Method(f"_{EVIL}", time_limit=60, threads=2, skip=(EVIL,))
    cell = Cell(EVIL, 8, 32, ((EVIL, EVIL),))
    entries = [
        ran(0, 1.0, "1/5", "1/5", *STEPS, method=method, cell=cell),
        entry(1, error=EVIL + "\x00\ud800", method=method, cell=cell),
    ]
    evil = {"machine": {"cpu": EVIL}, "versions": {EVIL: EVIL}, "ended": EVIL}
    entries[1] = msgspec.structs.replace(entries[1], **evil)
    (first, *others) = write_report(entries, tmp_path / "report.html", spec=f"# {EVIL}")
    text = first.read_text(encoding="utf-8")
    outline = Outline(text)
    assert not {"script", "img"} & set(outline.tags)
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert EVIL not in text
    for path in others:
        if path.suffix == ".svg":
            tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
            assert not [node for node in tree.iter() if node.tag.endswith(("script", "img"))]


def test_text_and_attributes_are_escaped_and_html_is_not() -> None:
    inner = element("b", "<i>")
    assert element("p", "a & ", inner, title='">', data_head="x") == (
        '<p title="&quot;&gt;" data-head="x">a &amp; <b>&lt;i&gt;</b></p>'
    )


def test_a_name_with_an_underscore_or_dollars_is_in_the_legend_as_it_is() -> None:
    with settings():
        chart = Chart({0: "_a $x^2$ <b>"}, "x, s", "y, %")
        drawing = chart.finished("name", "Title <b>", "")
    assert "_a $x^2$ <b>" in ElementTree.fromstring(drawing.svg).itertext()
    assert 'aria-label="Title &lt;b&gt;"' in drawing.inline


def test_long_lines_and_many_names_stay_within_bounds() -> None:
    many = range(10_000)
    x, y = thinned(many, many)
    assert len(x) == len(y) == MAX_POINTS
    assert (x[0], x[-1]) == (0, 9_999)
    assert thinned([1, 2], [3, 4]) == ([1, 2], [3, 4])
    with settings():
        chart = Chart({place: "word " * 100 for place in range(10)}, "x, s", "y, %")
        drawing = chart.finished("name", "", "")
        box = chart.figure.legends[0].get_window_extent()
    assert drawing.svg.count("word") <= 10 * 140 / 5
    figure = chart.figure.bbox
    below = chart.axes.get_window_extent().y0
    assert figure.x0 <= box.x0
    assert box.x1 <= figure.x1
    assert figure.y0 <= box.y0
    assert box.y1 < below


def test_a_method_keeps_its_look_where_others_are_missing() -> None:
    with settings():
        chart = Chart({1: "second"}, "x, s", "y, %")
        chart.line(1, [0.0, 1.0], [0.0, 1.0], steps=False)
        drawing = chart.finished("name", "", "")
    assert "#d55e00" in drawing.svg
    assert "#0072b2" not in drawing.svg


def test_tables_keep_feasible_and_infeasible_fleets_apart() -> None:
    entries = [*TWO_METHODS, infeasible(2, 0.5, certified=False), ran(2, 61, None, None,
               method=OTHER)]  # fmt: skip
    outcomes = read_outcomes(entries)
    feasible, not_feasible = summaries(outcomes, outcomes.fleets, "All")
    assert feasible.caption == "All, 2 feasible fleets"
    heads = ("runs", "closed", "certified", "at the limit", "failed", "time, s", "mean gap, %")
    lines = [dict(zip(feasible.heads, line, strict=True)) for line in feasible.lines]
    assert [[line[head] for head in heads] for line in lines] == [
        ["2", "2", "2", "0", "0", "1.45", "0"],  # sqrt(2 * 3) - 1
        ["2", "0", "0", "1", "1", "60", "50"],
    ]
    assert not_feasible.caption == "All, 1 infeasible fleet"
    assert [line[1:] for line in not_feasible.lines] == [
        ("1", "1", "0", "0", "0", "0.5", "-", "-"),
        ("1", "0", "0", "1", "0", "60", "-", "-"),
    ]


def test_means_over_different_fleets_stand_beside_those_over_the_same() -> None:
    assert "Only what all methods were run on" not in page_of(TWO_METHODS)
    text = page_of([*TWO_METHODS, ran(7, 1.0, "1/5", "1/5")])
    assert "All families, 3 feasible fleets" in text
    assert "Only what all methods were run on, 2 feasible fleets" in text


def test_methods_are_compared_on_the_fleets_of_both() -> None:
    only_one = ran(7, 1.0, "1/5", "1/5")
    table = comparison(read_outcomes([*TWO_METHODS, only_one]))
    assert table is not None
    line = tuple(text.replace("\N{NO-BREAK SPACE}", " ") for text in table.lines[0])
    assert len(table.lines) == 1
    assert line[:4] == ("direct_pulp against auto", "2", "0 / 2", "0 / 0 / 2")
    assert line[4].startswith("41.4 (")  # 60 / (sqrt(6) - 1)
    assert line[5] == "75 (50 to 100)"
    assert comparison(read_outcomes([only_one])) is None
    apart = [only_one, ran(8, 1.0, "1/5", "1/5", method=OTHER)]
    assert comparison(read_outcomes(apart)) is None


def test_what_must_not_be_overlooked_is_on_the_page() -> None:
    entries = [
        ran(0, 1.0, "1/5", "1/5"),
        ran(0, 1.0, "1/4", "1/4", method=OTHER, machine={"cpu": "B"}),
    ]
    text = page_of(entries, left=3)
    assert "Not complete: 3 runs left to do." in text
    assert "Runs contradict each other" in text
    assert "given the lower bound 0.25 by direct_pulp" in text
    assert "Not all runs were made with the same machine" in text
    assert "Machine: cpu B." in text
    assert "contradict" not in page_of(entries[:1])


def test_the_page_of_a_large_record_is_bounded() -> None:
    entries = [ran(s, 1.0, "1/5", "1/5", cell=Cell("uniform", s + 1, 99)) for s in range(400)]
    entries += [entry(s, error="no " * 20) for s in range(400)]
    text = page_of(entries)
    assert "The first 200 of 401 rows" in text
    assert "and 370 more" in text
    assert len(text) < 500_000


def test_the_commands_of_a_page_make_the_same_fleets_and_ask_for_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [Cell(PRISM), Cell("uniform", 2, 4), Cell("long-tail", 2, 4, (("skew", "0.5"),))]
    method = Method("auto", None, 1, gap="0.5", seed=3, skip=("level", "polish"))
    entries = [ran(5, 1.0, "1/5", "1/5", cell=cell, method=method) for cell in cells]
    monkeypatch.chdir(tmp_path)
    for cell, command in zip(cells, generate_commands(entries), strict=True):
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        assert digest(read_instance("fleet.json")) == digest(cell.fleet(5))
    assert solve_commands([*entries, ran(0, 1.0, "1", "1", method=AUTO)]) == [
        "kvpr-opt solve fleet.json --method auto --time-limit none --threads 1 --gap 0.5 --seed 3 "
        "--skip level --skip polish",
        "kvpr-opt solve fleet.json --method auto --time-limit 60 --threads 2",
    ]


def test_fleets_and_heuristics_that_came_with_the_study_are_shown_under_their_names() -> None:
    cell = FixedFleet("fleets/*.json", "fleets/<b>.json", "0" * 64, 8, 32)
    program = Method("mine", 60, 1, program=UserHeuristic("mine.py:place"))
    entries = [entry(0, cell=cell, method=method, error="x") for method in (program, AUTO)]
    text = page_of(entries)
    assert "fleets/*.json, 1 undecided fleet" in text
    assert "fleets/*.json, fleets/&lt;b&gt;.json, mine: x" in text
    assert "generate" not in text
    assert solve_commands(entries) == solve_commands(entries[1:]) != []


def test_without_matplotlib_there_is_one_error_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'kvpr-opt\[study\]'"):
        write_report(TWO_METHODS, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
