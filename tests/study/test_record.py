"""The record: appended to, locked, whole after a kill, and readable where it is damaged."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from report_records import CELL, entry, infeasible, ran

from kvpr_opt.errors import InputError
from kvpr_opt.study.record import FILE_NAME, MAX_REMARKS, Record, read_record
from kvpr_opt.study.record_line import decode_line, encode_line
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Method, run_of
from kvpr_opt.study.user_heuristics import UserHeuristic
from kvpr_opt.suites.cells import PRISM, Cell, FixedFleet

ONE, TWO, THREE = (ran(seed, 1.5, "1/7", "1/8", (0.5, 0.2, None)) for seed in range(3))

#: One of each kind: drawn and given fleets, own heuristics, all statuses, a failure.
KINDS = [
    ONE,
    ran(3, 1.0, "1/5", "1/5", cell=Cell(PRISM)),
    ran(3, 1.0, "0", "0", cell=Cell("long-tail", 2, 4, (("skew", "0.5"),))),
    ran(0, 60.0, None, "1/3", method=Method("auto", None, None, "0.01", 3, ("level", "polish"))),
    infeasible(1, 0.5, cell=FixedFleet("fleets/*.yaml", "größe.yaml", "0" * 64, 2, 4)),
    entry(2, method=Method("mine", 5.0, program=UserHeuristic("mine.py")), error="it\nbroke"),
    entry(4, machine={}, error=""),
]

REFERENCE = Path(__file__).parents[2] / "docs" / "studies" / "reference"


def write(folder: Path, *lines: bytes) -> Path:
    path = folder / FILE_NAME
    path.write_bytes(b"".join(lines))
    return path


def seeds(runs: tuple[RecordedRun, ...]) -> list[int]:
    return [recorded.run.seed for recorded in runs]


@pytest.mark.parametrize("recorded", KINDS)
def test_a_line_holds_all_of_a_run(recorded: RecordedRun) -> None:
    line = encode_line(recorded)
    assert line.count(b"\n") == 1
    again = decode_line(line)
    assert again == recorded
    assert again.run.key == recorded.run.key
    assert encode_line(again) == line


@pytest.mark.parametrize("study", ["engine", "formulations"])
def test_records_of_the_first_version_are_read_and_written_byte_by_byte(study: str) -> None:
    lines = (REFERENCE / study / FILE_NAME).read_bytes().splitlines(keepends=True)
    assert b'"kvpr-opt": "0.1.0"' in lines[0]
    assert len(lines) > 50
    for line in lines:
        assert encode_line(decode_line(line)) == line


def test_keys_of_a_later_version_are_ignored() -> None:
    tree = {**json.loads(encode_line(ONE)), "new": [1], "error": None}
    tree["trajectory"][0]["new"] = 1
    assert decode_line(json.dumps(tree).encode()) == ONE


def test_what_is_appended_is_there_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "study"
    with Record(folder) as record:
        assert record.runs == {}
        record.append(ONE)
        assert read_record(folder).runs == (ONE,)
        record.append(TWO)
        assert list(record.runs) == [ONE.run.key, TWO.run.key]
    with Record(folder) as record:
        assert list(record.runs.values()) == [ONE, TWO]
        assert record.remarks == ()


def test_of_several_entries_of_one_run_the_last_counts(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append(entry(0, error="once"))
        record.append(ONE)
    assert read_record(tmp_path).runs == (ONE,)
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 2


@pytest.mark.parametrize("cut", [2, 5, 20, 30])
def test_a_half_written_last_line_is_cut_off_with_a_remark(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, encode_line(ONE), encode_line(TWO)[:-cut])
    content = read_record(tmp_path)
    assert content.runs == (ONE,)
    assert "half-written last line" in content.remarks[0]
    with Record(tmp_path) as record:
        assert list(record.runs.values()) == [ONE]
        assert record.remarks == content.remarks
        assert path.read_bytes() == encode_line(ONE)
        record.append(THREE)
    assert read_record(tmp_path).runs == (ONE, THREE)


def test_the_first_line_half_written_leaves_an_empty_record(tmp_path: Path) -> None:
    write(tmp_path, b'{"schema": "kvpr')
    with Record(tmp_path) as record:
        assert record.runs == {}
        assert record.remarks


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n\n  \n"])
def test_an_editor_may_change_the_ends_of_lines(tmp_path: Path, end: bytes) -> None:
    write(tmp_path, encode_line(ONE), encode_line(TWO).rstrip() + end)
    with Record(tmp_path) as record:
        assert record.remarks == ()
        record.append(THREE)
    content = read_record(tmp_path)
    assert content.runs == (ONE, TWO, THREE)
    assert content.remarks == ()


def changed(**keys: Any) -> bytes:
    tree = json.loads(encode_line(TWO))
    for path, value in keys.items():
        *parents, name = path.split("__")
        target = tree
        for parent in parents:
            target = target[parent]
        if value is ...:
            del target[name]
        else:
            target[name] = value
    return json.dumps(tree).encode() + b"\n"


DAMAGED = {
    "empty object": b"{}\n",
    "no JSON": b"nonsense\n",
    "a list": b"[1]\n",
    "not UTF-8": encode_line(TWO).replace(b"auto", b"\xff\xff"),
    "half a surrogate pair": encode_line(TWO).replace(b"auto", b"\\ud800"),
    "another schema": changed(schema="other/1"),
    "no key": changed(key=...),
    "another seed": changed(run__seed=7),
    "another key": changed(key="0" * 16),
    "a negative seed": changed(run__seed=-1),
    "no method": changed(run__method=...),
    "no time limit": changed(run__method__time_limit=...),
    "a time limit of 0": changed(run__method__time_limit=0),
    "options as a list": changed(run__options=[]),
    "an infinite time": encode_line(TWO).replace(b'"seconds": 1.5', b'"seconds": 1e999'),
    "negative seconds": changed(seconds=-1),
    "no seconds": changed(seconds=...),
    "an unknown status": changed(status="best"),
    "a status that does not follow": changed(status="optimal"),
    "a proof of more": changed(lower_bound="1/6"),
    "a value of 0 in the denominator": changed(max_kvpr="1/0"),
    "a negative value": changed(max_kvpr="-1/7", lower_bound=None),
    "a value beyond doubles": changed(max_kvpr="9" * 400),
    "a value of 100,000 digits": changed(max_kvpr="9" * 100_000),
    "a value as a number": changed(max_kvpr=0.5),
    "a number of 100,000 digits": encode_line(TWO).replace(b"1.5", b"9" * 100_000),
    "an error that is no text": changed(error=[]),
    "machine as text": changed(machine="A"),
    "a trajectory of texts": changed(trajectory=["a"]),
    "deep nesting": changed(statistics=1).replace(
        b'"statistics": 1', b'"statistics": ' + b"[" * 100_000 + b"]" * 100_000
    ),
    "NULs": b"\0" * 50 + b"\n",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_line_is_skipped_with_its_number_and_left_alone(
    tmp_path: Path, case: str
) -> None:
    path = write(tmp_path, encode_line(ONE), DAMAGED[case], encode_line(THREE))
    before = path.read_bytes()
    content = read_record(tmp_path)
    assert content.runs == (ONE, THREE)
    (remark,) = content.remarks
    assert re.match(rf"{re.escape(str(path))}: line 2: .*; the line is skipped$", remark)
    assert len(remark) < 600
    with Record(tmp_path) as record:
        assert record.remarks == content.remarks
        assert list(record.runs.values()) == [ONE, THREE]
        record.append(TWO)
    assert path.read_bytes() == before + encode_line(TWO)


@pytest.mark.parametrize("case", DAMAGED)
def test_a_file_without_a_single_entry_is_refused_and_left_alone(tmp_path: Path, case: str) -> None:
    path = write(tmp_path, DAMAGED[case].rstrip(b"\n"), b"\nmy own notes")
    before = path.read_bytes()
    for reader in (Record, read_record):
        with pytest.raises(InputError, match=r"runs\.jsonl: line 1: not an entry") as error:
            reader(tmp_path)
        assert len(str(error.value)) < 700
    assert path.read_bytes() == before


def test_many_damaged_lines_are_counted(tmp_path: Path) -> None:
    write(tmp_path, encode_line(ONE), b"{}\n" * 500)
    remarks = read_record(tmp_path).remarks
    assert len(remarks) == MAX_REMARKS + 1
    assert "line 21" in remarks[-2]
    assert "480 more damaged lines are skipped" in remarks[-1]


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    assert ONE.answer is not None
    for statistics in ({"a": float("nan")}, {"a": object()}, {"a": "\ud800"}):
        outcome = msgspec.structs.replace(ONE.answer, statistics=statistics)
        with Record(tmp_path) as record, pytest.raises((ValueError, TypeError)):
            record.append(msgspec.structs.replace(ONE, outcome=outcome))
    assert read_record(tmp_path).runs == ()


def test_an_error_can_be_written_whatever_it_says(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append(entry(0, error="\ud800 two\nlines \u2028 and \u00e9" + "x" * 10**7))
    (found,) = read_record(tmp_path).runs
    assert found.error is not None
    assert found.error.startswith("\\ud800 two\nlines \u2028 and \u00e9xxx")
    assert len(found.error) < 10_000
    assert len((tmp_path / FILE_NAME).read_bytes().splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no lock there")
def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    with Record(tmp_path), pytest.raises(InputError, match="another process"):
        Record(tmp_path)
    with Record(tmp_path):
        pass


def test_no_record_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"runs\.jsonl: cannot be read"):
        read_record(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Record(blocked)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such pipes here")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, make: Any) -> None:
    make(tmp_path / FILE_NAME)
    for reader in (Record, read_record):
        with pytest.raises(InputError, match=r"runs\.jsonl: cannot be .*: it is not a regular"):
            reader(tmp_path)


def test_a_full_disk_leaves_no_half_of_a_line_and_names_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Record(tmp_path) as record:
        record.append(ONE)
        stream = record._stream

        class Full:
            """The disk takes ten more bytes."""

            def __init__(self) -> None:
                self.room = 10

            def __getattr__(self, name: str) -> Any:
                return getattr(stream, name)

            def write(self, data: memoryview) -> int:
                if not self.room:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                taken, self.room = min(self.room, len(data)), 0
                return stream.write(data[:taken])

        monkeypatch.setattr(record, "_stream", Full())
        with pytest.raises(InputError, match=r"runs\.jsonl: cannot be written: No space left"):
            record.append(TWO)
        assert TWO.run.key not in record.runs
        monkeypatch.undo()
        assert (tmp_path / FILE_NAME).read_bytes() == encode_line(ONE)
        record.append(THREE)
    assert read_record(tmp_path).runs == (ONE, THREE)


def test_an_identity_is_checked() -> None:
    identity = ONE.run.identity
    assert run_of(identity) == ONE.run
    with pytest.raises(InputError, match="seed"):
        run_of({**identity, "seed": "0"})
    with pytest.raises(InputError, match="needs 'gpus' and 'models'"):
        run_of({**identity, "gpus": None})
    assert CELL.gpus == 8
