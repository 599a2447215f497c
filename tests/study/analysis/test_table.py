"""The table of a record: counts, times and gaps that follow from its entries."""

from __future__ import annotations

from typing import Any

import msgspec
from report_records import entry

from kvpr_opt.study.analysis.table import report, rows
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Method
from kvpr_opt.suites.cells import Cell, FixedFleet
from kvpr_opt.suites.pcmax import Schedule


def solved(seed: int, seconds: float, *, certified: bool = True, **where: Any) -> RecordedRun:
    values: dict[str, Any] = {"max_kvpr": "1/7", "lower_bound": "1/7", "certified": certified}
    return entry(seed, **where, status="optimal", stop_reason="proved", seconds=seconds, **values)


def cut_short(seed: int, incumbent: str | None, bound: str | None, **where: Any) -> RecordedRun:
    status = "feasible" if incumbent else "unknown"
    values: dict[str, Any] = {"max_kvpr": incumbent, "lower_bound": bound, "certified": True}
    return entry(seed, **where, status=status, stop_reason="time limit", seconds=60.1, **values)


def cells(entries: list[RecordedRun]) -> list[list[str]]:
    """The cells of each line of the table, without its rule."""
    table = report(entries).split("\n\n")[0].splitlines()
    assert len({len(line) for line in table}) == 1, "the columns are padded"
    return [[text.strip() for text in line.split("|")[1:-1]] for line in table if "---" not in line]


def by_column(entries: list[RecordedRun]) -> list[dict[str, str]]:
    names, *lines = cells(entries)
    return [dict(zip(names, line, strict=True)) for line in lines]


def test_counts_times_and_gaps() -> None:
    entries = [
        solved(0, 1.0),
        solved(1, 3.0, certified=False),
        solved(2, 2.0),
        cut_short(3, "4/10", "3/10"),
        entry(4, error="ValueError: no"),
    ]
    assert by_column(entries) == [
        {
            "fleet": "uniform 8 x 32",
            "method": "auto",
            "limit": "60 s",
            "threads": "2",
            "runs": "5",
            "failed": "1",
            "proved": "3",
            "certified": "2",
            "median s": "2",
            "max s": "> 60",
            "mean gap %": "6.2",
            "worst gap %": "25",
            "off best %": "0",
        }
    ]


def test_a_median_that_was_not_reached_is_beyond_the_limit() -> None:
    (row,) = by_column([solved(0, 1.0), cut_short(1, "2", "1"), cut_short(2, "2", "1")])
    assert row["median s"] == row["max s"] == "> 60"


def test_without_placement_or_bound_the_gap_is_unknown_not_nothing() -> None:
    (row,) = by_column([solved(0, 1.0), cut_short(1, None, "1/3")])
    assert row["mean gap %"] == row["worst gap %"] == "unknown"
    (row,) = by_column([cut_short(1, "1/3", None)])
    assert row["worst gap %"] == "unknown"


def test_a_value_is_set_beside_the_best_one_found_on_its_fleet() -> None:
    plain, seed = Method("lpt", 60, 2), Method("seed", 60, 2)
    entries = [
        cut_short(0, "1/5", "1/10", method=plain),
        cut_short(1, "1/4", "1/10", method=plain),
        solved(0, 1.0),  # 1/7
        cut_short(0, "1/7", "1/10", method=seed),
        cut_short(1, "1/4", None, method=seed),
        entry(1, error="x"),
    ]
    table = by_column(entries)
    # 1 - 5/7 and 0 on average
    assert [row["off best %"] for row in table] == ["14", "0", "0"]
    (row,) = by_column([cut_short(0, None, "1/10")])
    assert row["off best %"] == "unknown"


def test_a_proof_of_infeasibility_counts_as_proved_and_has_no_gap() -> None:
    infeasible = entry(
        0,
        status="infeasible",
        stop_reason="proved",
        seconds=0.25,
        max_kvpr=None,
        lower_bound=None,
        certified=True,
    )
    (row,) = by_column([infeasible])
    assert (row["proved"], row["certified"], row["max s"]) == ("1", "1", "0.25")
    assert row["worst gap %"] == "-"


def test_nothing_but_failures_has_no_numbers() -> None:
    (row,) = by_column([entry(0, error="x")])
    assert (row["runs"], row["failed"], row["median s"], row["worst gap %"]) == ("1", "1", "-", "-")


def test_a_small_gap_is_not_shown_as_none() -> None:
    (row,) = by_column([cut_short(0, "100000001/100000000", "1")])
    assert row["worst gap %"] == "1e-06"


def test_cells_and_methods_have_rows_of_their_own_in_order_of_appearance() -> None:
    other = Cell("long-tail", 8, 32, (("skew", "0.5"),))
    entries = [
        solved(0, 1.0),
        solved(0, 1.0, method=Method("auto", 60, 2, skip=("level", "polish"))),
        solved(0, 1.0, method=Method("auto", 60, None, gap="0.01", seed=3)),
        solved(0, 1.0, method=Method("auto", None, 2)),
        solved(0, 1.0, cell=other),
        solved(1, 1.0),
    ]
    table = by_column(entries)
    assert [row["fleet"] for row in table] == ["uniform 8 x 32"] * 4 + [
        "long-tail 8 x 32, skew 0.5"
    ]
    assert [row["method"] for row in table] == [
        "auto",
        "auto without level, polish",
        "auto, to a gap of 0.01, seed 3",
        "auto",
        "auto",
    ]
    assert [row["limit"] for row in table] == ["60 s", "60 s", "60 s", "none", "60 s"]
    assert [row["threads"] for row in table] == ["2", "2", "all", "2", "2"]
    assert [row["runs"] for row in table] == ["2", "1", "1", "1", "1"]
    assert len(rows(entries)) == 5


def test_machines_versions_failures_and_what_is_left_are_told() -> None:
    elsewhere = solved(1, 1.0, machine={"cpu": "B", "cores": 64})
    text = report([solved(0, 1.0), elsewhere, entry(2, error="ValueError: no")], left=3)
    assert "Machine: cpu A, cores 2." in text
    assert "Machine: cpu B, cores 64." in text
    assert text.count("Versions: kvpr-opt 1.0.") == 1
    assert "3 runs are left" in text
    assert "- uniform 8 x 32, seed 2, auto: ValueError: no" in text
    assert "left" not in report([solved(0, 1.0)])


def test_an_error_of_several_lines_takes_one() -> None:
    text = report([entry(0, error="ValueError: a\nb")])
    assert "auto: ValueError: a b\n" in text


def test_an_empty_record_is_an_empty_table() -> None:
    assert len(report([]).splitlines()) == 2


HOSTILE = "a|b\nc\x1b[2J\u202egnp\ud800"


def test_no_name_and_no_error_breaks_the_table_or_acts_on_a_terminal() -> None:
    method = Method(HOSTILE, 60, 2, skip=(HOSTILE,))
    runs = [
        solved(0, 1.0, method=method),
        solved(0, 1.0, cell=FixedFleet(HOSTILE, HOSTILE, "0" * 64, 1, 1)),
        entry(1, method=method, error=HOSTILE * 10, machine={HOSTILE: HOSTILE}),
    ]
    text = report(runs)
    text.encode("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    table = text.split("\n\n")[0].splitlines()
    assert len(table) == 4
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "a\\|b c\\x1b[2J\\u202egnp\\ud800" in table[2]
    assert text.count("\n- ") == 1


def test_instances_that_have_a_file_each_are_a_row_together() -> None:
    entries = []
    for name in ("easy/a.txt", "easy/b.txt", "hard/c.txt"):
        schedule = Schedule(name, 2, (5, 4, 4, 3), None, group=name.split("/")[0])
        cell = FixedFleet.of(name, name, schedule.fleet("pressure"))
        run = solved(0, 1.0, cell=cell)
        entries.append(msgspec.structs.replace(run, schedule=schedule.published("pressure")))
    assert [(row.cell, row.runs) for row in rows(entries)] == [("easy", 2), ("hard", 1)]
