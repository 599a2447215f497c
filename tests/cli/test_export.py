"""``kvpr-opt export``: a question for any other solver."""

from __future__ import annotations

from pathlib import Path

import highspy
import pytest
from command_runs import Run


def verdict(path: Path) -> str:
    highs = highspy.Highs()
    highs.silent()
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    highs.run()
    return str(highs.modelStatusToString(highs.getModelStatus()))


def export(run: Run, fleet: Path, output: Path, *options: str) -> tuple[int, str, str]:
    return run("export", fleet, "--formulation", "assignment_pulp", "--output", output, *options)


@pytest.mark.parametrize("suffix", [".lp", ".mps", ".MPS"])
def test_the_optimum_is_feasible_and_below_it_is_not(
    run: Run, small: Path, tmp_path: Path, suffix: str
) -> None:
    # The model of pressure 7/3 and size 4 alone: 7/3 / 6; the others fit the other GPU.
    output = tmp_path / f"model{suffix}"
    assert export(run, small, output, "--threshold", "7/18") == (0, "", "")
    assert "max KVPR <= 7/18?" in output.read_text()
    assert verdict(output) == "Optimal"
    assert export(run, small, output, "--threshold", "7/18", "--strict")[0] == 0
    assert "max KVPR < 7/18?" in output.read_text()
    assert verdict(output) == "Infeasible"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "-1"], "--threshold: threshold -1 is not at least 0"),
        (["--threshold", "nan"], "--threshold: threshold 'nan' is not a finite decimal"),
        (["--threshold", "1e999"], "--threshold: threshold '1e999' is not"),
        (["--threshold", "1/0"], "--threshold: threshold '1/0' is not"),
        (["--threshold", "0", "--strict"], "--threshold: no KVPR is below 0"),
    ],
)
def test_a_threshold_that_is_none_is_refused(
    run: Run, small: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    output = tmp_path / "model.lp"
    code, _, err = export(run, small, output, *options)
    assert code == 2
    assert message in err
    assert not output.exists()


def test_an_unknown_formulation_or_suffix_is_refused(run: Run, small: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "export", small, "-f", "assignment_cpsat", "-t", "1", "-o", tmp_path / "model.lp"
    )
    assert code == 2
    assert "--formulation:" in err
    assert "assignment_pulp" in err
    code, _, err = export(run, small, tmp_path / "model.txt", "--threshold", "1")
    assert code == 2
    assert "--output: suffix '.txt'" in err
    options = ["--formulation", "assignment_pulp", "--threshold", "1", "--output", "-"]
    code, _, err = run("export", str(small), *options)
    assert code == 2
    assert "--output: a file name that ends in .lp or .mps is needed" in err


def test_what_is_there_is_not_lost_to_an_error(run: Run, small: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.lp"
    output.write_text("before")
    assert export(run, small, output, "--threshold", "x")[0] == 2
    assert output.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {small.name, "model.lp"}


def test_the_fleet_is_not_written_over(run: Run, small: Path) -> None:
    code, _, err = export(run, small, small, "--threshold", "1")
    assert code == 2
    assert "is the fleet itself" in err
