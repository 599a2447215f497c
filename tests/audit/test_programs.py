"""Programs that do everything a program may do wrong, and the verdict that each gets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from audit_cases import EASY

from kvpr_opt.audit.export import audit_data
from kvpr_opt.audit.outcome import Audit
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.summary import facts
from kvpr_opt.audit.verdict import Problem
from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import GPU, LLM, Instance

PROGRAMS = Path(__file__).parent / "programs"


def problems(audit: Audit) -> list[set[Problem]]:
    """What is wrong, case by case."""
    return [{finding.problem for finding in case.findings} for case in audit.cases]


def details(audit: Audit) -> str:
    return " | ".join(str(finding) for case in audit.cases for finding in case.findings)


@pytest.mark.parametrize(
    ("name", "easy", "hard"),
    [
        ("honest_greedy", set(), set()),
        ("drops_a_model", {Problem.DROPPED}, {Problem.DROPPED}),
        ("invents_gpu_ids", {Problem.FOREIGN_GPU}, None),
        ("mutates_rates", {Problem.MUTATED}, {Problem.MUTATED}),
        ("mutates_sizes", {Problem.MUTATED, Problem.OVERFULL}, None),
        ("raises_on_hard_cases", set(), {Problem.CRASH}),
        ("returns_copies", set(), set()),
        ("random_numbers", set(), set()),
        ("overfills", {Problem.OVERFULL}, {Problem.OVERFULL}),
    ],
)
def test_each_gets_the_verdict_that_is_right(
    run: Callable[..., Audit], name: str, easy: set[Problem], hard: set[Problem] | None
) -> None:
    audit = run(PROGRAMS / f"{name}.py")
    assert problems(audit) == [easy, easy if hard is None else hard]
    assert audit.valid == (not easy and not hard)
    assert [bool(audit.unrepeatable)] == [name == "random_numbers"]


def test_what_sleeps_is_ended_on_time(run: Callable[..., Audit]) -> None:
    start = time.monotonic()
    audit = run(PROGRAMS / "sleeps.py", seconds=0.6)
    assert problems(audit) == [{Problem.TIMEOUT}] * 2
    assert time.monotonic() - start < 10
    assert audit.naive.success_rate == 0


def test_a_finding_names_what_and_where(run: Callable[..., Audit]) -> None:
    assert "dropped models: 1 of 6: model_5" in details(run(PROGRAMS / "drops_a_model.py"))
    assert "req_rate of model_0 is 0.001, was 1" in details(run(PROGRAMS / "mutates_rates.py"))
    assert "gpu0 holds 99 of 80" in details(run(PROGRAMS / "overfills.py"))
    assert "foreign GPU ids: 2, 3, 4 (and 1 more)" in details(run(PROGRAMS / "invents_gpu_ids.py"))
    assert "crash: RuntimeError: too hard" in details(run(PROGRAMS / "raises_on_hard_cases.py"))


SPREAD = "return {g: models[g::gpu_num] for g in range(gpu_num)}"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        # valid, odd as they are
        (f"[setattr(m, 'cur_gpu_id', 7) for m in models]; {SPREAD}", set()),
        (f"print('x' * 50_000_000); {SPREAD}", set()),
        (f"import builtins; builtins.sum = builtins.len = None; {SPREAD}", set()),
        (f"models[0].note = 1; {SPREAD}", set()),
        ("return {**{g: tuple(models[g::gpu_num]) for g in range(gpu_num)}, 99: []}", set()),
        (
            "class Id:\n        def __init__(self, n): self.n = n\n"
            "        def __index__(self): return self.n\n"
            "    return {Id(g): models[g::gpu_num] for g in range(gpu_num)}",
            set(),
        ),
        (f"import os; os.fork(); {SPREAD}", set()),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); "
            f"{SPREAD}",
            set(),
        ),
        # answers that are none
        ("return [models[g::gpu_num] for g in range(gpu_num)]", {Problem.NO_PLACEMENT}),
        ("return None", {Problem.NO_PLACEMENT}),
        ("return {g: iter(models[g::gpu_num]) for g in range(gpu_num)}", {Problem.NO_PLACEMENT}),
        (
            "return {g: [m.model_name for m in models[g::gpu_num]] for g in range(gpu_num)}",
            {Problem.NO_PLACEMENT},
        ),
        (
            "import types; return types.MappingProxyType({0: models})",
            {Problem.NO_PLACEMENT},
        ),
        # GPUs and models that do not exist, or more than once
        (
            "return {str(g): models[g::gpu_num] for g in range(gpu_num)}",
            {Problem.FOREIGN_GPU},
        ),
        (
            "return {g - 1: models[g::gpu_num] for g in range(gpu_num)}",
            {Problem.FOREIGN_GPU},
        ),
        (
            "return {True if g == 1 else g: models[g::gpu_num] for g in range(gpu_num)}",
            {Problem.FOREIGN_GPU},
        ),
        (
            "return {g: models[g::gpu_num] + models[:1] for g in range(gpu_num)}",
            {Problem.DUPLICATED},
        ),
        (
            "import copy; new = copy.copy(models[0]); new.model_name = 'ghost'\n"
            "    return {g: models[g::gpu_num] + [new][g:] for g in range(gpu_num)}",
            {Problem.FOREIGN_MODEL},
        ),
        # inputs and copies with other numbers
        (f"models.sort(key=lambda m: -m.req_rate); {SPREAD}", {Problem.MUTATED}),
        (
            "kept = models[:]; models.clear()\n"
            "    return {g: kept[g::gpu_num] for g in range(gpu_num)}",
            {Problem.MUTATED},
        ),
        (f"models[2].model_name = 'x' * 9; {SPREAD}", {Problem.MUTATED}),
        (f"type(models[0]).slo = property(lambda self: 1e9); {SPREAD}", {Problem.MUTATED}),
        (
            "import copy; new = copy.deepcopy(models)\n"
            "    for m in new: m.req_rate = float('nan')\n"
            "    return {g: new[g::gpu_num] for g in range(gpu_num)}",
            {Problem.MUTATED},
        ),
        # ends of many kinds
        ("import os; os._exit(0)", {Problem.CRASH}),
        ("import sys; sys.exit(0)", {Problem.CRASH}),
        ("raise KeyboardInterrupt", {Problem.CRASH}),
        ("return compute_model_placement(gpu_num, models)", {Problem.CRASH}),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", {Problem.CRASH}),
        (f"import os; os.closerange(0, 100); {SPREAD}", {Problem.CRASH}),
        ("return {0: [bytearray(8 << 30)]}", {Problem.CRASH}),
        ("class E(Exception):\n        __str__ = None\n    raise E", {Problem.CRASH}),
    ],
)
def test_odd_programs(
    run: Callable[..., Audit], source: Callable[[str], Path], body: str, wrong: set[Problem]
) -> None:
    program = source("")
    program.write_text(f"def compute_model_placement(gpu_num, models):\n    {body}\n")
    audit = run(program, EASY)
    assert problems(audit) == [wrong]


def test_a_crash_says_how_it_ended(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    head = "def compute_model_placement(gpu_num, models):\n    "
    for body, said in [
        ("import os; os._exit(3)", "crash: exit code 3"),
        ("import os; os._exit(0)", "crash: the process ended before the function returned"),
        ("import os; os.kill(os.getpid(), 11)", "crash: killed by SIGSEGV"),
        ("return {0: [bytearray(8 << 30)]}", "crash: MemoryError"),
        ("return compute_model_placement(gpu_num, models)", "crash: RecursionError"),
    ]:
        assert said in details(run(source(head + body), EASY))


def test_a_program_that_cannot_be_loaded_crashes_in_every_case(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    audit = run(source("import no_such_package_at_all\ndef compute_model_placement(): pass\n"))
    assert problems(audit) == [{Problem.CRASH}] * 2
    assert "ModuleNotFoundError: No module named 'no_such_package_at_all'" in details(audit)


def test_replaced_builtins_are_told_and_change_nothing(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    audit = run(
        source(
            """
            import builtins

            def compute_model_placement(gpu_num, models):
                builtins.sum = lambda values: 0.001
                return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}
            """
        )
    )
    assert audit.valid
    assert audit.patched == ("sum",)
    assert audit.impossible
    assert audit.honest is not None
    assert audit.honest.combined < audit.naive.combined / 100


def test_children_do_not_outlive_a_run(
    run: Callable[..., Audit], source: Callable[[str], Path], tmp_path: Path
) -> None:
    numbers = tmp_path / "numbers"
    audit = run(
        source(
            f"""
            import subprocess, sys

            def compute_model_placement(gpu_num, models):
                child = subprocess.Popen(["sleep", "60"])
                with open({str(numbers)!r}, "a") as stream:
                    print(child.pid, file=stream)
                return {{gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}}
            """
        )
    )
    assert audit.valid
    children = [int(line) for line in numbers.read_text().split()]
    assert len(children) == 4
    deadline = time.monotonic() + 5
    while any(map(alive, children)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_program_sees_an_empty_folder_and_nothing_of_the_world(
    run: Callable[..., Audit], source: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVPR_SECRET", "1")
    audit = run(
        source(
            """
            import os, sys

            def compute_model_placement(gpu_num, models):
                assert os.listdir() == []
                assert "KVPR_SECRET" not in os.environ
                assert sys.stdin.read() == ""
                assert not {name.split(".")[0] for name in sys.modules} & {"kvpr_opt", "numpy"}
                open("left_behind", "w").write("x")
                return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}
            """
        )
    )
    assert problems(audit) == [set(), set()]


def test_a_key_for_each_of_many_gpus_is_a_right_answer(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    fleet = Instance([GPU(f"g{n}", 80) for n in range(300)], EASY.models)
    program = source(
        """
        def compute_model_placement(gpu_num, models):
            answer = {gpu: [] for gpu in range(gpu_num)}
            for gpu, model in zip(range(gpu_num - 1, 0, -40), models):
                answer[gpu].append(model)
            return answer
        """
    )
    assert problems(run(program, fleet, runs=1)) == [set()]


def test_the_contract_of_a_study_is_accepted_and_knows_gpus_that_differ(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    fleet = Instance(
        [GPU("small", 10), GPU("large", "100.5", reserved="0.5")],
        [LLM("a", size="9.5", pressure="1/3"), LLM("b", size=50, req_rate=4, slo="0.5")],
    )
    audit = run(
        source(
            """
            from fractions import Fraction

            def place(instance):
                assert instance.models[0].pressure == Fraction(1, 3)
                return {"a": "small", "b": max(instance.gpus, key=lambda gpu: gpu.usable).name}
            """
        ),
        fleet,
        runs=1,
    )
    assert audit.valid
    assert audit.program.contract == "place"
    assert audit.cases[0].max_kvpr == Fraction(2, 3)
    assert audit.cases[0].runs[0].reading.naive == pytest.approx(2 / 3)


def test_a_file_with_both_functions_is_called_by_the_name_nobody_has_by_chance(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    both = "def place(model, gpu): raise ValueError\n" + (PROGRAMS / "honest_greedy.py").read_text()
    audit = run(source(both), EASY, runs=1)
    assert (audit.valid, audit.program.contract) == (True, "compute_model_placement")


def test_imports_that_fail_are_told(run: Callable[..., Audit], tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("import missing_below\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import importlib, importlib.util\n"
        "try:\n    import missing_one.part\nexcept ImportError:\n    pass\n"
        "try:\n    from math import sine\nexcept ImportError:\n    pass\n"
        "try:\n    import neighbour\nexcept ImportError:\n    pass\n"
        "importlib.util.find_spec('missing_two')\n"
        "def compute_model_placement(gpu_num, models):\n"
        "    try:\n        importlib.import_module('missing_three')\n"
        "    except ImportError:\n        pass\n"
        f"    {SPREAD}\n"
    )
    audit = run(program, EASY, runs=1)
    assert audit.valid
    assert audit.failed_imports == (
        "math.sine",
        "missing_below",
        "missing_one.part",
        "missing_three",
        "missing_two",
        "neighbour",
    )
    assert "imports that failed" in dict(facts(audit))["note"]


def test_what_a_library_tries_to_import_is_its_own_matter(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    text = (
        "import decimal, random, tempfile, sqlite3, numpy\n"
        f"def compute_model_placement(gpu_num, models):\n    {SPREAD}\n"
    )
    audit = run(source(text), EASY, runs=1)
    assert (audit.valid, audit.failed_imports, audit.uses_package) == (True, (), False)


def test_a_program_that_uses_this_package_is_told(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    text = (
        "def compute_model_placement(gpu_num, models):\n"
        f"    from kvpr_opt import solve\n    {SPREAD}\n"
    )
    audit = run(source(text), EASY, runs=1)
    assert (audit.valid, audit.uses_package) == (True, True)
    assert "it imports kvpr_opt" in dict(facts(audit))["note"]


@pytest.mark.parametrize(
    ("head", "contract"),
    [
        ("if True:\n    def place(instance): return {}\nelse:\n    pass\n", "place"),
        ("try:\n    place = None\nfinally:\n    pass\n", "place"),
        ("(place, other) = (None, None)\n", "place"),
        ("for place in []: pass\n", "place"),
        ("from os import path as place\n", "place"),
        ("from os import *\n", "compute_model_placement"),
        ("globals()['x'] = 1\n", "compute_model_placement"),
        ("def f():\n    place = 1\n", None),
        ("class C:\n    def place(self): pass\n", None),
    ],
)
def test_the_function_is_looked_for_before_anything_runs(
    source: Callable[[str], Path], head: str, contract: str | None
) -> None:
    path = source(head)
    if contract is None:
        with pytest.raises(InputError, match="no function place"):
            Program.at(path)
    else:
        assert Program.at(path).contract == contract


@pytest.mark.parametrize(
    "text", ["x = " + "+1" * 100_000, "x = " + "-" * 200_000 + "1", "(" * 10_000, "x ="]
)
def test_a_source_that_no_python_compiles_is_bad_input(
    source: Callable[[str], Path], text: str
) -> None:
    with pytest.raises(InputError, match=r"not Python|fails to compile"):
        Program.at(source(text + "\ndef place(instance): return {}\n"))


def interpreter(minor: int) -> str:
    """A Python of a version on this machine that works; the test is skipped without one."""
    name = f"python3.{minor}"
    beside = Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/{name}")
    for path in [shutil.which(name), *map(str, beside)]:
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return path
    pytest.skip(f"there is no {name} on this machine")


@pytest.mark.parametrize("minor", range(8, 16))
def test_another_python_runs_the_program(
    run: Callable[..., Audit], source: Callable[[str], Path], minor: int
) -> None:
    python = interpreter(minor)
    text = (
        "import sys\ndef compute_model_placement(gpu_num, models):\n"
        f"    assert sys.version_info[:2] == (3, {minor})\n    {SPREAD}\n"
    )
    audit = run(source(text), EASY, python=python, runs=1)
    assert problems(audit) == [set()]
    assert audit_data(audit)["program"]["python"] == python


def test_a_python_that_is_too_old_is_refused(source: Callable[[str], Path]) -> None:
    python = interpreter(7)
    with pytest.raises(InputError, match=r"3\.7; 3\.8 or newer is needed"):
        Program.at(source("def place(instance): return {}"), python)


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/true", "no-such-python", "/"])
def test_what_is_no_interpreter_is_refused(source: Callable[[str], Path], python: str) -> None:
    with pytest.raises(InputError, match="is not a Python interpreter"):
        Program.at(source("def place(instance): return {}"), python)


def test_a_program_may_import_its_neighbours(run: Callable[..., Audit], tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text((PROGRAMS / "honest_greedy.py").read_text())
    program = tmp_path / "program.py"
    program.write_text("from neighbour import compute_model_placement\n")
    assert run(program).valid
