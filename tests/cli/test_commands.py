"""The commands as a user meets them: output, exit codes, bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_runs import SMALL, Run, write

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_solve_writes_result_and_certificate_and_verify_accepts_it(
    run: Run, small: Path, tmp_path: Path
) -> None:
    output, certificate = tmp_path / "result.json", tmp_path / "certificate.json"
    code, out, err = run("solve", small, "--output", output, "--certificate", certificate)
    assert code == 0
    assert err == ""
    assert "OPTIMAL" in out
    assert "gpu0" in out
    result = json.loads(output.read_text())
    assert result["status"] == "optimal"
    assert set(result["assignment"]) == {"a", "b", "c"}
    code, out, err = run("verify", small, certificate)
    assert code == (0 if result["certified"] else 3)
    assert err == ""
    assert "placement: passed" in out


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["small_fleet.yaml"], "14 models on 4 GPUs"),
        (["mixed_fleet.json"], "OPTIMAL"),
        (["models.csv", "--gpus", "3", "--memory", "80"], "OPTIMAL"),
    ],
)
def test_the_examples_are_solved(run: Run, arguments: list[str], needed: str) -> None:
    code, out, _ = run("solve", EXAMPLES / arguments[0], *arguments[1:])
    assert code == 0
    assert needed in out


def test_the_result_goes_to_stdout_and_the_screen_to_stderr(run: Run, small: Path) -> None:
    code, out, err = run("solve", small, "--output", "-")
    assert code == 0
    assert json.loads(out)["status"] == "optimal"
    assert "OPTIMAL" in err


def test_quiet_is_quiet(run: Run, small: Path) -> None:
    assert run("solve", small, "--quiet") == (0, "", "")


def test_the_heuristic_alone_is_done_when_it_has_placed(run: Run, small: Path) -> None:
    code, out, _ = run("solve", small, "--method", "heuristic", "--skip", "refill")
    assert code == 0
    assert "highest KVPR" in out


def test_an_infeasible_fleet_is_answered_not_refused(run: Run, tmp_path: Path) -> None:
    fleet = {
        "gpus": [{"count": 2, "memory": 10}],
        "models": [{"name": "big", "size": 11, "pressure": 1}],
    }
    output, certificate = tmp_path / "result.json", tmp_path / "certificate.json"
    path = write(tmp_path / "fleet.json", fleet)
    code, out, _ = run("solve", path, "--output", output, "--certificate", certificate)
    assert code == 4
    assert "model 'big' (11) is larger than the largest GPU (10 usable)" in out
    assert json.loads(output.read_text())["status"] == "infeasible"
    assert run("verify", path, certificate)[0] == 0


def test_no_model_at_all_is_kvpr_zero(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "fleet.json", {"gpus": [{"count": 1, "memory": 10}], "models": []})
    code, out, _ = run("solve", path)
    assert code == 0
    assert "0 models on 1 GPU" in out


def test_a_time_limit_that_cuts_in_gives_the_best_and_its_gap(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "hard.json"
    assert run("generate", "real", "--gpus", 64, "--models", 256, "-o", path)[0] == 0
    code, out, _ = run("solve", path, "--time-limit", "1")
    assert code == 3
    assert "FEASIBLE" in out
    assert "time limit" in out


#: The command, which gets a signal as soon as it has a placement.
STOPPED_SOON = """
import os, sys
from kvpr_opt.cli import main
from kvpr_opt.cli.progress_view import LiveStatus
number = int(sys.argv.pop())
update = LiveStatus.update
sent = []
def stop(live, event):
    update(live, event)
    if event.incumbent is not None and not sent:
        sent.append(number)
        os.kill(os.getpid(), number)
LiveStatus.update = stop
main()
"""


@pytest.mark.parametrize("signal_sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_gives_the_best_so_far(
    run: Run, tmp_path: Path, signal_sent: signal.Signals
) -> None:
    fleet, output = tmp_path / "hard.json", tmp_path / "result.json"
    assert run("generate", "real", "--gpus", 64, "--models", 256, "-o", fleet)[0] == 0
    options = ["--output", str(output), "--time-limit", "none", str(int(signal_sent))]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_SOON, "solve", str(fleet), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert "interrupted" in done.stdout
    assert json.loads(output.read_text())["stop_reason"] == "interrupted"


BAD: dict[str, tuple[Any, list[str], str]] = {
    "unknown key": (
        {**SMALL, "models": [{"name": "a", "size": 1, "req_rate": 1, "slo_ms": 2}]},
        [],
        r"slo_ms.*slo",
    ),
    "zero slo": (
        {**SMALL, "models": [{"name": "a", "size": 1, "req_rate": 1, "slo": 0}]},
        [],
        r"models\[0\].slo: slo 0 is not above 0",
    ),
    "negative size": (
        {**SMALL, "models": [{"name": "a", "size": -1, "pressure": 0}]},
        [],
        r"models\[0\].size: size -1 is not at least 0",
    ),
    "wrong type": (
        {**SMALL, "models": [{"name": "a", "size": [], "pressure": 0}]},
        [],
        r"models\[0\].size",
    ),
    "duplicate name": (
        {**SMALL, "models": [{"name": "a", "size": 1, "pressure": 0}] * 2},
        [],
        r"models\[1\]: name 'a' is taken",
    ),
    "no GPUs": ({**SMALL, "gpus": []}, [], "gpus"),
    "reserved above memory": (
        {**SMALL, "gpus": [{"name": "g", "memory": 8, "reserved": 9}]},
        [],
        r"gpus\[0\].reserved",
    ),
    "pressure and rate": (
        {**SMALL, "models": [{"name": "a", "size": 1, "req_rate": 1, "slo": 1, "pressure": 1}]},
        [],
        r"models\[0\].*pressure",
    ),
    "time limit 0": (SMALL, ["--time-limit", "0"], "--time-limit: '0' is not"),
    "time limit negative": (SMALL, ["--time-limit=-3"], "--time-limit: '-3' is not"),
    "time limit nan": (SMALL, ["--time-limit", "nan"], "--time-limit: 'nan' is not"),
    "unknown method": (
        SMALL,
        ["--method", "cplex"],
        "known: auto, heuristic, branch_and_price",
    ),
    "gap no number": (SMALL, ["--gap", "x"], "error: --gap: gap 'x' is not"),
    "seed negative": (
        SMALL,
        ["--seed", "-1"],
        "error: --seed: seed -1 is not a whole number from 0",
    ),
    "seed too large": (SMALL, ["--seed", "99999999999"], "error: --seed: seed 99999999999 is not"),
    "threads too many": (SMALL, ["--threads", "100000"], "error: --threads: threads 100000 is not"),
    "gpus 0": (SMALL, ["--gpus", "0", "--memory", "8"], "error: --gpus: gpus 0 is not"),
    "memory no number": (
        SMALL,
        ["--gpus", "1", "--memory", "x"],
        "error: --memory: memory 'x' is not",
    ),
    "unknown stage": (SMALL, ["--skip", "refil"], "did you mean 'refill'"),
    "unknown option": (SMALL, ["--metod", "auto"], "--metod"),
    "output folder missing": (SMALL, ["--output", "/no/such/folder/r.json"], "/no/such/folder"),
    "output is a folder": (SMALL, ["--output", "/"], "cannot be written"),
    "gpus for a whole fleet": (SMALL, ["--gpus", "3", "--memory", "8"], "gpus"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error_and_nothing_is_written(
    run: Run, tmp_path: Path, case: str
) -> None:
    fleet, options, message = BAD[case]
    path = write(tmp_path / "fleet.json", fleet)
    before = sorted(tmp_path.iterdir())
    certificate = [] if "--output" in options else ["--certificate", tmp_path / "c.json"]
    code, out, err = run("solve", path, *options, *certificate)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert re.search(message, err), err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("f.json", '{"gpus": ', "f.json: line 1, column"),
        ("f.yaml", "gpus: [", "f.yaml: line"),
        ("f.yaml", "gpus: []\ngpus: []\n", "gpus"),
        ("f.yaml", "a: &a [x, x]\nb: [*a, *a]\n", "f.yaml"),
        ("f.csv", "name,size\na\n", "f.csv"),
        ("f.txt", "hello", "suffix '.txt'"),
        (
            "f.json",
            '{"gpus": [{"count": 1, "memory": 1e400000000}], "models": []}',
            r"gpus\[0\].memory: memory '1e400000000' is not",
        ),
        (
            "f.json",
            '{"gpus": [{"count": 1, "memory": NaN}], "models": []}',
            r"gpus\[0\].memory: memory 'NaN' is not",
        ),
    ],
)
def test_a_file_that_is_no_fleet_is_refused_with_its_place(
    run: Run, tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    options = ["--gpus", "1", "--memory", "8"] if name.endswith("csv") else []
    code, _, err = run("solve", path, *options)
    assert code == 2
    assert re.search(message, err), err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["solve", "canonical"])
def test_the_fleet_is_not_written_over(run: Run, small: Path, command: str) -> None:
    before = small.read_text()
    link = small.with_name("link.json")
    link.symlink_to(small)
    for target in (small, small.parent / "." / small.name, link):
        code, out, err = run(command, small, "--output", target)
        assert (code, out) == (2, "")
        assert re.search(r"error: --output: .* is the fleet itself, which it would replace", err)
    assert small.read_text() == before


@pytest.mark.parametrize(("one", "other"), [("r.json", "./r.json"), ("-", "-")])
def test_result_and_certificate_are_not_written_to_one_place(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    monkeypatch.chdir(small.parent)
    code, out, err = run("solve", small, "--output", one, "--certificate", other)
    assert (code, out) == (2, "")
    assert f"error: --certificate: {other} is what --output writes to" in err
    assert os.listdir() == [small.name]


def test_a_missing_file_is_named(run: Run) -> None:
    code, _, err = run("solve", "nowhere.json")
    assert code == 2
    assert "nowhere.json: cannot be read" in err


def test_a_tampered_certificate_is_rejected(run: Run, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    run("solve", small, "--certificate", path)
    certificate = json.loads(path.read_text())
    certificate["placement"]["a"], certificate["placement"]["c"] = "gpu0", "gpu0"
    certificate["placement"]["b"] = "gpu0"
    write(path, certificate)
    code, out, _ = run("verify", small, path)
    assert code == 5
    assert "FAILED" in out


def test_a_certificate_cannot_act_on_the_terminal(run: Run, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    run("solve", small, "--certificate", path)
    certificate = json.loads(path.read_text())
    word = {"kind": "solver", "solver": "s", "version": "1", "threshold": "1"}
    word["parameters"] = {"seed": "\x1b]0;title\x07"}
    certificate["bounds"].append({"value": "1/1000", "proof": word})
    write(path, certificate)
    code, out, _ = run("verify", small, path, "--explain")
    assert code == 3
    assert r"seed \x1b]0;title\x07" in out
    assert all(line.isprintable() for line in out.split("\n"))


def test_verify_names_the_option_that_is_wrong(run: Run, tmp_path: Path) -> None:
    models = tmp_path / "models.csv"
    models.write_text("name,size,req_rate,slo\na,1,1,1\n")
    code, _, err = run("verify", models, "certificate.json", "--gpus", 0, "--memory", 8)
    assert code == 2
    assert err.startswith("error: --gpus: gpus 0 is not a whole number from 1 to 100000")


def test_canonical_is_what_the_checker_alone_reads(run: Run, small: Path, tmp_path: Path) -> None:
    certificate, canonical = tmp_path / "certificate.json", tmp_path / "canonical.json"
    run("solve", small, "--certificate", certificate)
    assert certificate.read_text().endswith("}\n")
    assert not certificate.read_text().endswith("\n\n")
    assert run("canonical", small, "--output", canonical)[0] == 0
    assert run("canonical", small)[1] == canonical.read_text()
    checker = sys.modules["kvpr_opt.verify"].__file__
    assert checker is not None
    alone = subprocess.run(
        [sys.executable, "-I", checker, str(canonical), str(certificate)], timeout=60, check=False
    )
    assert alone.returncode == run("verify", small, certificate)[0]


def test_generate_is_seeded_and_solvable(run: Run, tmp_path: Path) -> None:
    one = run("generate", "tight", "--gpus", 4, "--models", 16, "--seed", 7)
    assert one == run("generate", "tight", "--gpus", 4, "--models", 16, "--seed", 7)
    assert one != run("generate", "tight", "--gpus", 4, "--models", 16, "--seed", 8)
    path = tmp_path / "fleet.json"
    path.write_text(one[1])
    assert run("solve", path, "--method", "heuristic")[0] in (0, 3)


def test_generate_writes_all_of_prism_or_one_case(run: Run, tmp_path: Path) -> None:
    assert run("generate", "prism", "--all", "--output", tmp_path / "prism")[0] == 0
    assert len(list((tmp_path / "prism").iterdir())) == 50
    one = run("generate", "prism", "--case", 7)[1]
    assert (tmp_path / "prism" / "prism-07.json").read_text() == one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prism"], "--case"),
        (["prism", "--case", "50"], "error: --case: case 50 is not a whole number from 0 to 49"),
        (["prism", "--case", "1", "--seed", "3"], "fixed"),
        (["uniform", "--gpus", "0", "--models", "4"], "error: --gpus: gpus 0 is not"),
        (["paper", "--gpus", "0"], "error: --gpus: gpus 0 is not"),
        (["fine", "--gpus", "2", "--models", "8", "--skew", "abc"], "error: --skew: skew 'abc'"),
        (["unifrom"], "did you mean 'uniform'"),
        (["prism", "--case", "1", "--gpus", "3"], "fixed"),
        (["prism", "--all"], "--output"),
        (["unifrom", "--gpus", "2", "--models", "4"], "did you mean 'uniform'"),
        (["uniform", "--gpus", "2"], "needs --gpus and --models"),
        (["uniform", "--gpus", "2", "--models", "4", "--skew", "1"], "skew"),
        (["uniform", "--gpus", "2", "--models", "4", "--case", "1"], "prism"),
    ],
)
def test_generate_refuses_what_it_cannot_draw(run: Run, arguments: list[str], message: str) -> None:
    code, _, err = run("generate", *arguments)
    assert code == 2
    assert message in err


def test_standard_input_is_read(small: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kvpr_opt", "solve", "-", "--output", "-"],
        input=small.read_text(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "optimal"


def test_help_and_version(run: Run) -> None:
    assert "solve" in run("--help")[1]
    assert run("--version")[1].startswith("kvpr-opt ")
    assert run()[0] in (0, 2)


def test_a_bound_of_many_digits_is_shown_as_a_decimal(run: Run, tmp_path: Path) -> None:
    primes = (
        "10007 10009 10037 10039 10061 10067 10069 10079 10091 10093 10099 10103 10111 10133 10139"
    )
    fleet = {
        "gpus": [{"name": "g", "memory": 80}],
        "models": [
            {"name": f"m{prime}", "size": 1, "req_rate": 1, "slo": int(prime)}
            for prime in primes.split()
        ],
    }
    path, certificate = write(tmp_path / "fleet.json", fleet), tmp_path / "certificate.json"
    assert run("solve", path, "--certificate", certificate)[0] == 0
    code, out, _ = run("verify", path, certificate)
    assert code == 0
    assert "0.00002290366 " in next(line for line in out.splitlines() if line.startswith("bound"))


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_models_is_read_from_a_pipe(path: str, separator: str) -> None:
    table = "name,size,req_rate,slo\na,16,12,1\nb,3,0,1\n".replace(",", separator)
    done = subprocess.run(
        [sys.executable, "-m", "kvpr_opt", "solve", path, "--gpus", "2", "--memory", "80"],
        input=table,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "OPTIMAL  2 models on 2 GPUs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.csv", "--gpus", "2.5"], "error: --gpus: '2.5' is not a whole number\n"),
        (["x.csv", "--gpus", ""], "error: --gpus: '' is not a whole number\n"),
        (["x.csv", "--seed", "x"], "error: --seed: 'x' is not a whole number\n"),
        ([], r"error: Missing argument 'FLEET'; .* solve --help lists what is available\n"),
        (["x.csv", "--metod", "y"], r"error: No such option.*--metod.*--method.* --help lists.*\n"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run("solve", *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(message, err), err


def test_the_help_lists_the_choices(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run("solve", "--help")[1]
    for name in ("branch_and_price", "assignment_cpsat", "refill", "exhaustive_search"):
        assert name in out


def test_a_shell_completes_commands_and_names(small: Path) -> None:
    for words, wanted in (("kvpr-opt so", "solve"), ("kvpr-opt solve x --method br", "branch_and")):
        done = subprocess.run(
            [sys.executable, "-c", "from kvpr_opt.cli import main; main()"],
            env={
                **os.environ,
                "_KVPR_OPT_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert wanted in done.stdout, done


@pytest.mark.parametrize(
    ("command", "option", "name", "format_given"),
    [
        ("solve", "--output", "r.csv", "JSON"),
        ("solve", "--certificate", "c.yaml", "JSON"),
        ("solve", "--html", "p.json", "HTML"),
        ("canonical", "--output", "c.yaml", "JSON"),
        ("audit", "--output", "a.html", "JSON"),
        ("audit", "--html", "a.csv", "HTML"),
    ],
)
def test_a_name_that_promises_another_format_is_refused(
    run: Run, small: Path, command: str, option: str, name: str, format_given: str
) -> None:
    code, out, err = run(command, small, option, small.parent / name)
    assert (code, out) == (2, "")
    assert re.search(rf"error: {option}: .*{name} would hold {format_given}; choose", err)
    assert os.listdir(small.parent) == [small.name]
