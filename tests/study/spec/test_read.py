"""The file that says what a study runs: what it means, and how it is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from kvpr_opt import random_instance, write_instance
from kvpr_opt.certificates.canonical import digest
from kvpr_opt.errors import InputError
from kvpr_opt.study.execution import worker
from kvpr_opt.study.record_line import decode_line, encode_line
from kvpr_opt.study.runs import Method, Run, run_of
from kvpr_opt.study.spec.read import Spec, read_spec
from kvpr_opt.suites.cells import Cell
from kvpr_opt.suites.pcmax import Schedule

DOCS = Path(__file__).parents[3] / "docs" / "studies"

CELL = """
[[cells]]
family = "uniform"
gpus = 4
models = 8
seeds = [0]
"""
TOP = """
time_limit = 1
methods = ["auto"]
"""


def spec(tmp_path: Path, text: str) -> Spec:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return read_spec(path)


def test_every_key_is_understood(tmp_path: Path) -> None:
    text = """
    output = "here"
    time_limit = 60
    threads = 2
    methods = [
        "auto",
        { name = "heuristic", time_limit = "none", gap = 0.001, seed = 4, skip = ["polish"] },
    ]
    [[cells]]
    family = "long-tail"
    gpus = 2
    models = 8
    options = { skew = 0.50 }
    seeds = "3-4"
    [[cells]]
    family = "prism"
    seeds = [7]
    methods = [{ name = "assignment_cpsat", time_limit = 0.5 }]
    """
    study = spec(tmp_path, text)
    cell = Cell("long-tail", 2, 8, (("skew", "0.5"),))
    auto = Method("auto", time_limit=60, threads=2)
    plain = Method("heuristic", None, 2, gap="0.001", seed=4, skip=("polish",))
    assert study.output == "here"
    assert study.text == text
    assert study.runs == (
        Run(cell, 3, auto),
        Run(cell, 3, plain),
        Run(cell, 4, auto),
        Run(cell, 4, plain),
        Run(Cell("prism"), 7, Method("assignment_cpsat", time_limit=0.5, threads=2)),
    )


def test_a_suite_is_the_runs_of_its_cells(tmp_path: Path) -> None:
    text = """
    time_limit = 1
    methods = ["auto", "heuristic"]
    [[cells]]
    suite = "prism50"
    """
    long = text.replace("suite", "seeds = '0-49'\nfamily").replace("prism50", "prism")
    assert spec(tmp_path, text).runs == spec(tmp_path, long).runs
    graded = spec(tmp_path, text.replace("prism50", "mixed@1"))
    assert len(graded.runs) == 80
    assert graded.runs[0] == Run(Cell("mixed", 4, 8), 0, Method("auto", time_limit=1))


def test_fleet_files_are_runs_named_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "fleets").mkdir()
    fleet = random_instance("mixed", gpus=2, models=4, seed=1)
    write_instance(fleet, tmp_path / "fleets" / "a.yaml")
    text = TOP + "[[cells]]\nfiles = {}\n"
    runs = [
        spec(tmp_path, text.format(paths)).runs
        for paths in ("'fleets/*.yaml'", "['fleets/*.yaml']", "'fleets'", "['fleets/a.yaml']")
    ]
    assert runs[0] == runs[1]
    for (run,), cell in zip(
        runs, ("fleets/*.yaml",) * 2 + ("fleets", "fleets/a.yaml"), strict=True
    ):
        assert str(run.cell) == cell
        assert digest(run.fleet) == digest(fleet)
        assert str(run) == f"{cell}, a.yaml, auto"
        again = run_of(json.loads(json.dumps(run.identity)))
        assert (again, again.key, str(again)) == (run, run.key, str(run))
    write_instance(random_instance("mixed", gpus=2, models=4, seed=2), tmp_path / "fleets/a.yaml")
    (changed,) = spec(tmp_path, text.format("'fleets/*.yaml'")).runs
    assert changed.key != runs[0][0].key


def test_pcmax_instances_are_runs(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"name": "a", "machines": 2, "items": [3, 1, 2]}\n')
    text = TOP + "[[cells]]\npcmax = 'p.jsonl'\n"
    assert [str(run) for run in spec(tmp_path, text).runs] == [
        "p.jsonl, a@pressure, auto",
        "p.jsonl, a@both, auto",
    ]
    (run,) = spec(tmp_path, text + "embeddings = ['both']").runs
    assert digest(run.fleet) == digest(Schedule("a", 2, (3, 1, 2)).fleet("both"))


def test_a_record_names_its_runs() -> None:
    method = Method("auto", 60, 2, "1/7", 3, ("level", "polish"))
    for cell in (Cell("uniform", 4, 8), Cell("prism"), Cell("fine", 2, 8, (("skew", "0.5"),))):
        run = Run(cell, 3, method)
        assert run_of(json.loads(json.dumps(run.identity))) == run


def test_heuristics_are_methods(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def place(instance): return None")
    methods = """[
        "lpt", { name = "local-search", seed = 3 }, { name = "mine", program = "mine.py" },
        "python:study_jobs:first_gpu",
    ]"""
    text = TOP.replace('["auto"]', methods) + CELL
    lpt, search, mine, module = (run.method for run in spec(tmp_path, text).runs)
    assert lpt == Method("lpt", 1)
    assert search == Method("local-search", 1, seed=3)
    assert mine.program is not None
    assert mine.program.source == "def place(instance): return None"
    assert mine.program.path == str(tmp_path / "mine.py")
    assert module.program is not None
    assert "first_gpu" in module.program.source
    for run in spec(tmp_path, text).runs:
        again = run_of(json.loads(json.dumps(run.identity)))
        assert (again, again.key, str(again)) == (run, run.key, str(run))
    # Known by its name and place: an edited program has the same key.
    (tmp_path / "mine.py").write_text("def place(instance): return {}")
    assert spec(tmp_path, text).runs[2].key == Run(Cell("uniform", 4, 8), 0, mine).key


def test_a_key_names_a_run_and_stays_what_it_is() -> None:
    run = Run(Cell("uniform", 4, 8), 0, Method("auto", time_limit=60))
    assert run.key == Run(Cell("uniform", 4, 8), 0, Method("auto", time_limit=60.0)).key
    # Records of earlier versions rest on this very text.
    assert run.key == "686dc0b03ec4118d"
    others = [
        Run(Cell("mixed", 4, 8), 0, run.method),
        Run(Cell("uniform", 4, 8, (("skew", "1"),)), 0, run.method),
        Run(run.cell, 1, run.method),
        Run(run.cell, 0, Method("auto", time_limit=61)),
        Run(run.cell, 0, Method("auto", time_limit=60, skip=("polish",))),
        Run(run.cell, 0, Method("auto", time_limit=60, seed=1)),
    ]
    assert len({run.key, *(other.key for other in others)}) == 7


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.toml")), ids=lambda path: path.name)
def test_the_studies_of_the_documentation_are_sound(path: Path) -> None:
    assert len(read_spec(path).runs) >= 10


BAD = {
    "no TOML": ("cells = [ = ", "study.toml: not TOML: .*line 1"),
    "nothing": ("", r"cells: a study needs at least one table \[\[cells\]\]"),
    "cells is a table": ("[cells]\nfamily = 'uniform'", "cells: a study needs"),
    "unknown key": ("time_limt = 1\n" + TOP + CELL, "time_limt: unknown key.*'time_limit'"),
    "unknown key in a cell": (TOP + CELL + "model = 3", r"cells\[0\].model: .*'models'"),
    "unknown option": (
        TOP + CELL + "options = { skev = 1 }",
        r"cells\[0\].options.skev: .*'skew'",
    ),
    "option of another family": (TOP + CELL + "options = { skew = 1 }", r"cells\[0\].skew: "),
    "option no number": (
        TOP + CELL + "options = { skew = 'steep' }",
        r"cells\[0\].options.skew: skew 'steep' is not",
    ),
    "unknown family": (
        TOP + CELL.replace("uniform", "unifrom"),
        r"cells\[0\].family: family 'unifrom' is not known \(did you mean 'uniform'\?\)",
    ),
    "no family": (
        TOP + "[[cells]]\nseeds = [0]",
        r"cells\[0\]: a cell needs one of the keys family, suite",
    ),
    "gpus missing": (TOP + CELL.replace("gpus = 4", ""), r"cells\[0\].gpus: missing"),
    "gpus a text": (TOP + CELL.replace("= 4", "= '4'"), r"cells\[0\].gpus: '4' is not a whole"),
    "gpus true": (TOP + CELL.replace("= 4", "= true"), r"cells\[0\].gpus: True is not a whole"),
    "models do not fit the family": (
        TOP + CELL.replace("uniform", "tight"),
        r"cells\[0\].models: family 'tight' has 4 models a GPU",
    ),
    "prism has sizes": (
        TOP + CELL.replace("uniform", "prism"),
        r"cells\[0\].gpus: 'prism' does not accept this key",
    ),
    "no such case": (
        TOP + "[[cells]]\nfamily = 'prism'\nseeds = '40-50'",
        r"cells\[0\]\.case: case 50 is not",
    ),
    "no seeds": (TOP + CELL.replace("seeds = [0]", ""), r"cells\[0\]: missing key 'seeds'"),
    "no kind": (TOP + "[[cells]]\nmethods = ['auto']", r"cells\[0\]: a cell needs one of the keys"),
    "two kinds": (
        TOP + CELL + "suite = 'prism50'",
        r"cells\[0\].suite: a cell cannot have both 'family' and this",
    ),
    "unknown suite": (
        TOP + "[[cells]]\nsuite = 'prism5'",
        r"cells\[0\].suite: suite 'prism5' is not known \(did you mean 'prism50'",
    ),
    "another version of a suite": (
        TOP + "[[cells]]\nsuite = 'prism50@2'",
        r"cells\[0\].suite: suite 'prism50' has version 1 here",
    ),
    "suite with seeds": (
        TOP + "[[cells]]\nsuite = 'prism50'\nseeds = [1]",
        r"cells\[0\].seeds: unknown key",
    ),
    "suite a list": (TOP + "[[cells]]\nsuite = ['prism50']", r"cells\[0\].suite: \['prism50'\] is"),
    "no such files": (
        TOP + "[[cells]]\nfiles = 'no/*.yaml'",
        r"cells\[0\].files: .*no/\*.yaml: no file matches the pattern",
    ),
    "no such folder": (
        TOP + "[[cells]]\nfiles = ['no.yaml']",
        r"cells\[0\].files: .*/no.yaml: cannot be read",
    ),
    "files a number": (TOP + "[[cells]]\nfiles = 3", r"cells\[0\].files: 3 is not a list of paths"),
    "no such file of instances": (
        TOP + "[[cells]]\npcmax = 'no.jsonl'",
        r"cells\[0\].pcmax: .*no.jsonl: cannot be read",
    ),
    "unknown embedding": (
        TOP + "[[cells]]\npcmax = 'no.jsonl'\nembeddings = ['size']",
        r"cells\[0\].embeddings: embedding 'size' is not known",
    ),
    "empty seeds": (TOP + CELL.replace("[0]", "[]"), r"cells\[0\].seeds: \[\] is not a list"),
    "seeds backwards": (TOP + CELL.replace("[0]", "'9-0'"), r"cells\[0\].seeds: '9-0' is not"),
    "seed twice": (TOP + CELL.replace("[0]", "[1, 1]"), r"cells\[0\].seeds: duplicate seed 1"),
    "seed negative": (TOP + CELL.replace("[0]", "[-1]"), r"cells\[0\].seeds\[0\]: -1 is not"),
    "no methods": ("time_limit = 1" + CELL, r"cells\[0\]: missing key 'methods'"),
    "unknown method": (
        TOP + CELL + "methods = ['auto', 'heuristics']",
        r"cells\[0\].methods\[1\].method: method 'heuristics' .*'heuristic'",
    ),
    "method a number": (TOP + CELL + "methods = [3]", r"cells\[0\].methods\[0\]: 3 is not a table"),
    "unknown heuristic": (
        TOP + CELL + "methods = ['seed:moved']",
        r"cells\[0\].methods\[0\].method: method 'seed:moved' .*'seed:moves'",
    ),
    "no such program": (
        TOP + CELL + "methods = [{ name = 'mine', program = 'no.py' }]",
        r"cells\[0\].methods\[0\].program: .*no.py: cannot be read",
    ),
    "program a number": (
        TOP + CELL + "methods = [{ name = 'mine', program = 3 }]",
        r"cells\[0\].methods\[0\].program: 3 is not the path",
    ),
    "program under a known name": (
        TOP + CELL + "methods = [{ name = 'auto', program = 'no.py' }]",
        r"cells\[0\].methods\[0\].name: 'auto' is a method of this package",
    ),
    "no such module": (
        TOP + CELL + "methods = ['python:no_such_module:f']",
        r"cells\[0\].methods\[0\].name: module 'no_such_module' cannot be imported",
    ),
    "a gap for a heuristic": (
        TOP + CELL + "methods = [{ name = 'lpt', gap = 0.1 }]",
        r"cells\[0\].methods\[0\].gap: 'lpt' does not accept this key",
    ),
    "a seed for a heuristic without chance": (
        TOP + CELL + "methods = [{ name = 'seed', seed = 1 }]",
        r"cells\[0\].methods\[0\].seed: 'seed' does not accept this key",
    ),
    "unknown key of a method": (
        TOP + CELL + "methods = [{ name = 'auto', limit = 3 }]",
        r"cells\[0\].methods\[0\].limit: unknown key",
    ),
    "unknown stage": (
        TOP + CELL + "methods = [{ name = 'auto', skip = ['polsh'] }]",
        r"cells\[0\].methods\[0\].skip: stage 'polsh' .*'polish'",
    ),
    "skip a text": (
        TOP + CELL + "methods = [{ name = 'auto', skip = 'polish' }]",
        r"methods\[0\].skip: 'polish' is not a list of stages",
    ),
    "no time limit": ("methods = ['auto']" + CELL, r"methods\[0\].auto: missing time limit"),
    "time limit 0": (TOP.replace("1", "0") + CELL, r"methods\[0\].time_limit: 0 is not a number"),
    "time limit nan": (TOP.replace("1", "nan") + CELL, r"time_limit: nan is not a number"),
    "threads 0": ("threads = 0\n" + TOP + CELL, r"methods\[0\].threads: 0 is not a whole"),
    "gap 1": (
        TOP + CELL + "methods = [{ name = 'auto', gap = 1 }]",
        r"methods\[0\].gap: 1 is not at least 0 and below 1",
    ),
    "the same run twice": (
        TOP + CELL + CELL,
        r"cells\[1\]: duplicate run: uniform 4 x 8, seed 0, auto is also in",
    ),
    "certificates not a switch": ("certificates = 1\n" + TOP + CELL, "certificates: 1 is not true"),
    "a number of 10,000 digits": ("seeds = [" + "9" * 10_000 + "]\n" + TOP + CELL, "not TOML"),
    "deep nesting": ("seeds = " + "[" * 100_000, "nested too deeply"),
    "output a number": ("output = 3\n" + TOP + CELL, "output: 3 is not the path"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_spec_is_one_error_with_its_place(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(InputError, match=f"(?s){message}") as refusal:
        spec(tmp_path, text)
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unreadable_spec_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.toml: cannot be read"):
        read_spec(tmp_path / "no.toml")


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_a_file_whose_name_is_no_text_is_a_fleet_with_a_name_that_can_be_recorded(
    tmp_path: Path,
) -> None:
    fleet = random_instance("uniform", gpus=2, models=4, seed=0)
    write_instance(fleet, tmp_path / "a.json")
    os.rename(tmp_path / "a.json", os.fsencode(tmp_path) + b"/fl\xffeet.json")
    path = tmp_path / "study.toml"
    path.write_text("methods = ['lpt']\ntime_limit = 1\n[[cells]]\nfiles = '*.json'\n")
    (run,) = read_spec(path).runs
    assert run.cell.fleet_name(0) == "fl\\udcffeet.json"
    line = encode_line(worker.recorded(run, worker.perform(run)))
    assert decode_line(line).run == run
