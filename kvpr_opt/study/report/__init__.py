"""The report of a study: one page in HTML, and its figures as SVG and PDF."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files import write_bytes, write_text
from kvpr_opt.files.source import refusal
from kvpr_opt.study.analysis.reading import read_outcomes
from kvpr_opt.study.recorded_run import RecordedRun

#: The default name of the page in the folder of a study.
PAGE_NAME = "report.html"

#: The folder of the figures, beside the page.
FIGURES_NAME = "figures"


def write_report(
    runs: Sequence[RecordedRun],
    path: str | os.PathLike[str],
    *,
    left: int = 0,
    spec: str = "",
) -> list[Path]:
    """Write the page of a record, and its figures into the folder ``figures`` beside it.

    The files depend only on the record and on the versions of the libraries: written
    again, they are identical byte by byte.

    Parameters
    ----------
    runs
        As in :class:`~kvpr_opt.study.record.RecordContent`.
    path
        The page.
    left
        Runs that were asked for and are not recorded, for a line that says so.
    spec
        The text of the study's file, for the page.

    Returns
    -------
    list of Path
        The files written, the page first.

    Raises
    ------
    InputError
        If matplotlib is missing, or a file cannot be written.
    """
    _check_matplotlib()
    # Lazy import: nothing else needs matplotlib.
    from kvpr_opt.study.report.figures import draw
    from kvpr_opt.study.report.page import page

    outcomes = read_outcomes(runs)
    drawings = draw(outcomes)
    target = Path(path)
    write_text(target, page(runs, outcomes, drawings, left=left, spec=spec))
    written = [target]
    folder = target.parent / FIGURES_NAME
    for drawing in drawings:
        _make(folder)
        for suffix, data in (("svg", drawing.svg.encode("utf-8")), ("pdf", drawing.pdf)):
            written.append(folder / f"{drawing.name}.{suffix}")
            write_bytes(written[-1], data)
    return written


def _check_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            f"the page requires matplotlib ({error}): pip install 'kvpr-opt[study]'"
        ) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise refusal(str(folder), "written", error) from None
