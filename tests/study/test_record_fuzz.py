"""Records damaged at random: what is readable is kept, the rest is named, nothing breaks."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvpr_opt.cli import main
from kvpr_opt.errors import InputError
from kvpr_opt.study.analysis.compare import Tolerance, compare, comparison_text
from kvpr_opt.study.analysis.reading import read_outcomes
from kvpr_opt.study.analysis.table import report
from kvpr_opt.study.record import FILE_NAME, Record, RecordContent, read_record
from kvpr_opt.study.report.commands import generate_commands, solve_commands
from kvpr_opt.study.report.tables import by_cell, comparison, summaries

REFERENCE = Path(__file__).parents[2] / "docs" / "studies" / "reference" / "formulations"
LINES = (REFERENCE / FILE_NAME).read_bytes().splitlines(keepends=True)[:6]

#: Pieces that are likely to matter where they land.
PIECES = [
    b"\n", b'"', b"{", b"}", b"[", b"]", b",", b":", b"-", b"\\", b"\0", b"\xff", b"null", b"true",
    b"1e999", b"-1", b"0", b"NaN", b'"1/0"', b'"x"', b"\\ud800", b"9" * 400, b"[" * 2000, b"\r",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A record in which bytes, pieces and whole lines were changed."""
    data = b"".join(LINES)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 3, 30, 3000]))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))
        if draw(st.booleans()):  # in the middle of a value
            found = data.find(b": ", place)
            place = place if found < 0 else found + 2
        data = data[:place] + piece + data[place + length :]
    return data


def use(content: RecordContent) -> None:
    """All that is computed from the runs of a record, without drawing it."""
    runs = content.runs
    assert report(runs)
    outcomes = read_outcomes(runs)
    outcomes.contradictions()
    summaries(outcomes, outcomes.fleets, "all")
    comparison(outcomes)
    by_cell(runs)
    generate_commands(runs)
    solve_commands(runs)
    comparison_text(compare(runs, runs), Tolerance())


@settings(max_examples=300)
@given(damaged())
def test_a_damaged_record_is_read_as_far_as_it_goes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        path.write_bytes(data)
        try:
            content = read_record(folder)
        except InputError:
            for reader in (Record, read_record):
                with pytest.raises(InputError, match=f"^{re.escape(str(path))}: line "):
                    reader(folder)
            assert path.read_bytes() == data
            return
        with Record(folder) as record:
            assert tuple(record.runs.values()) == content.runs
            assert record.remarks == content.remarks
        # Only a half-written last line goes; a newline after the last one may come.
        assert path.read_bytes() in (data, data + b"\n", data[: data.rfind(b"\n") + 1])
        whole = [line for line in LINES if line in data.splitlines(keepends=True)]
        assert len(content.runs) >= len(whole)
        if data != b"".join(LINES) and len(content.runs) < len(LINES):
            assert content.remarks or data.count(b"\n") < len(LINES)
        use(content)


def command(argument: str) -> Callable[[list[str], pytest.MonkeyPatch], int]:
    def call(rest: list[str], patch: pytest.MonkeyPatch) -> int:
        patch.setattr(sys, "argv", ["kvpr-opt", "study", argument, *rest])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0)

    return call


def test_the_commands_say_what_they_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("polars")
    (tmp_path / FILE_NAME).write_bytes(b"".join([*LINES[:2], b'{"a": 1}\n', *LINES[2:]]))
    for name, rest in (
        ("report", []),
        ("compare", [str(REFERENCE)]),
        ("export", ["-o", str(tmp_path / "t.csv")]),
    ):
        assert command(name)([str(tmp_path), *rest], monkeypatch) == 0
        captured = capsys.readouterr()
        assert f"{FILE_NAME}: line 3: Object missing required field" in captured.err
        assert captured.err.count("line is skipped") == 1
        assert "skipped" not in captured.out
