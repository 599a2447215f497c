"""Collections of P||Cmax instances as files of several forms, and lists of their optima."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kvpr_opt.cli import main
from kvpr_opt.errors import InputError
from kvpr_opt.suites.pcmax import Schedule, read_schedules
from kvpr_opt.suites.pcmax_files import read_instances, read_optima, with_optima

SAMPLE = Path(__file__).parents[2] / "docs" / "studies" / "data" / "pcmax-100.jsonl"

SPEC = """
time_limit = 20
threads = 1
methods = ["auto"]
certificates = true
[[cells]]
pcmax = "collection"
optima = "{optima}"
embeddings = ["pressure"]
"""


@pytest.mark.parametrize(
    ("text", "machines", "items"),
    [
        ("p p_cmax 5 3\n7 5 4 4 2 0\n", 3, (7, 5, 4, 4, 2)),
        ("p p_cmax 5 3\n7 5 4 4 2", 3, (7, 5, 4, 4, 2)),
        ("p p_cmax 2 2\n7 0", 2, (7, 0)),  # a job of length 0 is no end mark
        ("3\n5\n7\n5\n4\n4\n2\n", 3, (7, 5, 4, 4, 2)),
        ("5 3\r\n7 5 4 4 2\r\n", 3, (7, 5, 4, 4, 2)),
        ("3 5 7 5 4", 5, (7, 5, 4)),
        ("2 2 8 9  # both are the number of jobs", 2, (8, 9)),
    ],
)
def test_a_plain_file_is_one_instance(
    tmp_path: Path, text: str, machines: int, items: tuple[int, ...]
) -> None:
    path = tmp_path / "class1" / "x-1.5.txt"
    path.parent.mkdir()
    path.write_text(text)
    assert read_instances(path) == [Schedule("x-1.5", machines, items, group="class1")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no instance of P..Cmax: it needs two numbers"),
        ("4 5 7 5 4", "3 jobs follow on the numbers 4 and 5; one of them has to say how many"),
        ("p p_cmax 3 5 7 5 4 4 2", "5 jobs follow .* 3 and 5; the first of them has to say"),
        ("2 x 8 9", "number 2: 'x' is not a whole number"),
        ("2 2 8 -9", "number 4: '-9' is not a whole number"),
        ("p p_cmax 2 0 8 9", "0 machines; at least 1 is needed"),
    ],
)
def test_a_file_of_no_known_form_is_refused_by_name(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"bad.txt.*{message}"):
        read_instances(path)


def test_optima_are_listed_in_many_ways(tmp_path: Path) -> None:
    path = tmp_path / "optima.csv"
    path.write_text('name,optimum\na,8\nsub/b.txt; 9\nc\t10\nd,\ne -\nf ?\n\n"g h",11\na 8\n')
    assert read_optima(path) == {"a": 8, "b": 9, "c": 10, "g h": 11}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,8\na,9\n", "line 2: the optimum of 'a' is 9 here and 8 before"),
        ("a,8\nb,9.5\n", "line 2: 'b,9.5' is not a name and an optimum"),
        ("a,8\nb,-9\n", "line 2: 'b,-9' is not a name and an optimum"),
        ("z,8\n", "states no optimum of any of the 1 instances; they are called 'a' and so on"),
        ("a,7\n", "the optimum of 'a' is 7 here, and 8 in the file of the instance"),
    ],
)
def test_a_list_that_is_wrong_in_itself_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "optima.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"optima.csv.*{message}"):
        with_optima([Schedule("a", 3, (7, 5, 4, 4, 2), optimum=8)], path)


def study(*arguments: str) -> int:
    sys.argv = ["kvpr-opt", "study", *arguments]
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_sample_as_plain_files_with_a_list_of_optima(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    sample = read_schedules(SAMPLE)[:6]
    folder = tmp_path / "collection"
    folder.mkdir()
    for schedule in sample:
        jobs = " ".join(map(str, schedule.items))
        header = f"p p_cmax {len(schedule.items)} {schedule.machines}"
        (folder / f"{schedule.name}.txt").write_text(f"{header}\n{jobs} 0\n")
    spec, record = tmp_path / "study.toml", str(tmp_path / "record")
    spec.write_text(SPEC.format(optima="collection/optima.txt"))
    listed = [f"{schedule.name}.txt {schedule.optimum}" for schedule in sample]
    (folder / "optima.txt").write_text("\n".join(listed[:-1]))  # of the last one none is known
    assert study("run", str(spec), "--output", record) == 0
    assert study("report", record) == 0
    shown = capsys.readouterr().out
    closed = shown.split("collection's own list:")[1]
    assert f"{sample[-1].name}@pressure" in closed
    assert str(sample[-1].optimum) in closed
    assert closed.count("certificates/") == 1

    wrong = sample[0].optimum
    assert wrong is not None
    listed[0] = f"{sample[0].name} {wrong + 1}"
    (folder / "optima.txt").write_text("\n".join(listed[:-1]))
    again = str(tmp_path / "again")
    assert study("run", str(spec), "--output", again) == 6
    shown = " ".join(capsys.readouterr().err.split())
    assert f"{sample[0].name}@pressure has a schedule of makespan {wrong}; " in shown
    assert f"the collection states {wrong + 1}" in shown
