"""Figures with matplotlib: a placement to scale, and the progress of a run.

matplotlib is an optional dependency and is imported as a figure is asked for. A figure
that is made here is one of pyplot: a notebook shows it, ``plt.show()`` opens a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kvpr_opt.drawing.palette import BLOCKS, BOUND, HIGHEST, VALUE, paled
from kvpr_opt.drawing.rows import Row, kvpr_text, most_pressed, share_of
from kvpr_opt.errors import InputError
from kvpr_opt.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: GPUs in a figure: of a larger fleet the most pressed ones.
MAX_BARS = 64

# Inches: of a figure's width and of each bar.
_WIDTH, _BAR = 8.0, 0.3

# Characters of a name that fit on the longest bar, and the fewest that are worth showing.
_CHARACTERS, _LEAST = 84, 4

# A bar of at least this share has room for its KVPR.
_ROOM_FOR_KVPR = 0.4


def plot_placement(rows: Sequence[Row], sizes: Mapping[str, float], ax: Axes | None = None) -> Axes:
    """Draw what each GPU holds, to scale, with its KVPR.

    Parameters
    ----------
    rows
        One a GPU, in order.
    sizes
        Memory that each model takes, by name.
    ax
        Where to draw. Without, a figure is made, with a second axis for the KVPRs.

    Returns
    -------
    matplotlib.axes.Axes
        The axis with the memory of the GPUs.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    rows = most_pressed(rows, MAX_BARS)
    beside = None
    if ax is None:
        ax, beside = _axes((3, 1), height=1.2 + _BAR * len(rows))
    widest = max((float(row.memory) for row in rows), default=1.0) or 1.0
    positions = range(len(rows))
    for at, row in zip(positions, rows, strict=True):
        _blocks(ax, at, [(name, sizes[name]) for name in row.models], _CHARACTERS / widest)
        ax.barh(at, float(row.memory), fill=False, edgecolor="0.4", linewidth=0.8)
        if beside is None:
            ax.text(float(row.memory), at, f" {kvpr_text(row.kvpr)}", va="center", size=7)
    ax.set_yticks(list(positions), [printable(row.name) for row in rows], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("memory: models, and what is free for KV cache")
    if beside is not None:
        _kvprs(rows, beside)
    return ax


def _blocks(ax: Axes, at: int, models: Sequence[tuple[str, float]], characters: float) -> None:
    """The models of a GPU beside each other, with so many characters to a unit of memory."""
    start = 0.0
    for number, (name, size) in enumerate(models):
        colour = paled(BLOCKS[number % len(BLOCKS)])
        ax.barh(at, size, left=start, color=colour, edgecolor="white")
        ax.text(
            start + size / 2,
            at,
            _label(name, int(characters * size)),
            ha="center",
            va="center",
            size=7,
            color="black",
            clip_on=True,
            parse_math=False,  # a name is no formula, whatever is in it
        )
        start += size


def _label(name: str, room: int) -> str:
    """As much of a name as has room on its bar."""
    name = printable(name)
    if len(name) <= room:
        return name
    return "" if room < _LEAST else f"{name[: room - 1]}…"


def _kvprs(rows: Sequence[Row], ax: Axes) -> None:
    highest = max((row.kvpr for row in rows), default=0)
    for at, row in enumerate(rows):
        share = share_of(row.kvpr, highest)
        ax.barh(at, share, color=paled(HIGHEST if row.kvpr == highest else VALUE))
        text = ax.text(0.02, at, kvpr_text(row.kvpr), va="center", size=7)
        if share >= _ROOM_FOR_KVPR:
            text.set_color("black")
        else:
            text.set_x(share + 0.02)  # beside the bar
    ax.set(xlim=(0, 1.05), xlabel="KVPR", xticks=[])
    ax.tick_params(axis="y", left=False, labelleft=False)


def plot_progress(trajectory: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw how incumbent and bound came together.

    Parameters
    ----------
    trajectory
        The entry ``trajectory`` of the statistics of a run.
    ax
        Where to draw; without, a figure is made.

    Returns
    -------
    matplotlib.axes.Axes
        The axis.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    if ax is None:
        ax, _ = _axes((1,), height=3.5)
    for key, label, style in (
        ("max_kvpr", "best placement", VALUE),
        ("lower_bound", "lower bound", BOUND),
    ):
        points = [(at["seconds"], at[key]) for at in trajectory if at[key] is not None]
        if points:
            seconds, values = zip(*points, strict=True)
            last = trajectory[-1]["seconds"]
            ax.step([*seconds, last], [*values, values[-1]], where="post", color=style, label=label)
    ax.set(xlabel="seconds", ylabel="KVPR")
    if ax.lines:
        ax.legend()
    return ax


def _axes(widths: tuple[int, ...], height: float) -> tuple[Axes, Axes | None]:
    try:
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        raise InputError(
            f"a figure requires matplotlib ({error}): pip install 'kvpr-opt[study]'"
        ) from None
    figure: Figure = pyplot.figure(figsize=(_WIDTH, height), layout="constrained")
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    first = figure.add_subplot(grid[0])
    return first, figure.add_subplot(grid[1], sharey=first) if len(widths) > 1 else None
