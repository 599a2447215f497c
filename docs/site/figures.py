"""Make the figures of the pages: ``make figures``.

    python docs/site/figures.py [FOLDER]

Everything is drawn by public functions, from fleets and scripts that the pages show, and comes out
the same each time, but for the seconds on the screen. Figures have a version for dark pages.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

import kvpr_opt as kv
from kvpr_opt.drawing.plot import plot_progress

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"

#: The same picture each time: names of parts are drawn from a seed, and no date is in it.
_STABLE = {
    "svg.hashsalt": "kvpr-opt",
    "savefig.transparent": True,
    "axes.prop_cycle": matplotlib.rcParamsDefault["axes.prop_cycle"],  # on dark pages, too
}

#: Cells in a line of the screen.
_WIDTH = 96

#: The run whose progress is shown, in the record of the study that ``measured.md`` quotes.
_RECORD = ROOT / "docs" / "studies" / "reference" / "engine" / "runs.jsonl"
_RUN = {"family": "uniform", "gpus": 16, "models": 64, "seed": 0}


def placement() -> Figure:
    """The placement that the first command of the pages finds."""
    return _figure(_solved().plot())


def progress() -> Figure:
    """How bound and placement of one measured run came together."""
    for line in _RECORD.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        run = record["run"]
        if run["method"]["name"] == "auto" and _RUN.items() <= run.items():
            return _figure(plot_progress(record["trajectory"]))
    raise SystemExit(f"{_RECORD} has no such run: {_RUN}")


def gap() -> Figure:
    """What the script of the first page draws, for the heuristic that it names."""
    plt.close("all")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "heuristic.py").write_text(script("heuristics.md", "def place"), "utf-8")
        sys.path.insert(0, folder)
        try:
            source = script("index.md", "from heuristic import place")
            exec(source.replace("plt.savefig", "str"), {})
        finally:
            sys.path.remove(folder)
            sys.modules.pop("heuristic", None)
    figure = plt.gcf()
    figure.set_size_inches(8, 3.2)
    figure.set_layout_engine("constrained")
    return figure


def screen() -> str:
    """The screen of the first command of the pages, as SVG."""
    console = Console(record=True, file=io.StringIO(), width=_WIDTH, force_terminal=True)
    console.print(Text("$ kvpr-opt solve examples/small_fleet.yaml\n", style="bold"))
    console.print(_solved().styled_text(width=_WIDTH))
    # No font is fetched from elsewhere: the reader's own will do.
    frame = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    text = console.export_svg(title="kvpr-opt", code_format=frame, unique_id="screen")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


FIGURES: dict[str, Callable[[], Figure]] = {
    "placement": placement,
    "progress": progress,
    "gap": gap,
}


def script(page: str, mark: str) -> str:
    """The script of a page that has `mark` in it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (found,) = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if mark in block
    ]
    return found


@cache
def _solved() -> kv.Result:
    return kv.solve(kv.read_instance(ROOT / "examples" / "small_fleet.yaml"), threads=1)


def _figure(axes: matplotlib.axes.Axes) -> Figure:
    figure = axes.figure
    assert isinstance(figure, Figure), "plot() without an axis makes a figure"
    return figure


@contextmanager
def _theme(dark: bool) -> Iterator[None]:
    with plt.style.context("dark_background" if dark else "default"), plt.rc_context(_STABLE):
        yield


def draw(folder: Path) -> list[Path]:
    """Write all figures into a folder; their names.

    Parameters
    ----------
    folder
        It has to exist.
    """
    matplotlib.use("agg")  # no window
    written = []
    for name, make in FIGURES.items():
        for dark in (False, True):
            with _theme(dark):
                path = folder / f"{name}{'-dark' if dark else ''}.svg"
                make().savefig(path, metadata={"Date": None})
                written.append(path)
    path = folder / "solve.svg"
    path.write_text(screen(), encoding="utf-8")
    return [*written, path]


if __name__ == "__main__":
    for made in draw(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES):
        print(made)
