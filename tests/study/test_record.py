"""The record: appended to, locked, and whole after a kill."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.study.record import FILE_NAME, Record, read_entries


def test_what_is_appended_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "study"
    with Record(folder) as record:
        assert record.entries == {}
        record.append({"key": "a", "status": "optimal"})
        assert read_entries(folder) == [
            {"schema": "kvpr-opt/run/1", "key": "a", "status": "optimal"}
        ]
        record.append({"key": "b"})
        assert set(record.entries) == {"a", "b"}
    with Record(folder) as record:
        assert list(record.entries) == ["a", "b"]
        assert record.note == ""


def test_of_several_entries_of_one_run_the_last_counts(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append({"key": "a", "error": "once"})
        record.append({"key": "a"})
    assert [("error" in entry) for entry in read_entries(tmp_path)] == [False]
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 2


@pytest.mark.parametrize("cut", [1, 5, 20, 30])
def test_a_half_written_last_line_is_cut_off_with_a_note(tmp_path: Path, cut: int) -> None:
    path = tmp_path / FILE_NAME
    with Record(tmp_path) as record:
        record.append({"key": "a"})
        whole = path.read_bytes()
        record.append({"key": "b"})
    path.write_bytes(path.read_bytes()[:-cut])
    assert [entry["key"] for entry in read_entries(tmp_path)] == ["a"]
    with Record(tmp_path) as record:
        assert list(record.entries) == ["a"]
        assert "half-written last line" in record.note
        assert path.read_bytes() == whole
        record.append({"key": "c"})
    assert [entry["key"] for entry in read_entries(tmp_path)] == ["a", "c"]


def test_the_first_line_half_written_leaves_an_empty_record(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"schema": "kvpr')
    with Record(tmp_path) as record:
        assert record.entries == {}
        assert record.note


@pytest.mark.parametrize("line", ["{}", "nonsense", "[1]", '{"schema": "other/1", "key": "a"}'])
def test_a_line_that_is_no_entry_is_refused_and_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / FILE_NAME
    with Record(tmp_path) as record:
        record.append({"key": "a"})
    path.write_text(path.read_text() + line + "\n")
    before = path.read_bytes()
    for reader in (Record, read_entries):
        with pytest.raises(InputError, match=r"runs\.jsonl: line 2: not an entry"):
            reader(tmp_path)
    assert path.read_bytes() == before


def test_what_is_no_number_in_json_is_refused(tmp_path: Path) -> None:
    with Record(tmp_path) as record, pytest.raises(ValueError, match="JSON"):
        record.append({"key": "a", "gap": float("nan")})
    assert read_entries(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    with Record(tmp_path), pytest.raises(InputError, match="another process"):
        Record(tmp_path)
    with Record(tmp_path):
        pass


def test_no_record_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"runs\.jsonl: cannot be read"):
        read_entries(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Record(blocked)


def test_any_text_survives(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append({"key": "a", "error": "two\nlines \u2028 and \u00e9"})
    lines = (tmp_path / FILE_NAME).read_bytes().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["error"] == "two\nlines \u2028 and \u00e9"
    assert read_entries(tmp_path)[0]["error"].endswith("\u00e9")
