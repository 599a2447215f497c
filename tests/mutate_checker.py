"""Mutation test of the checker: whatever decides in it is changed, and a test must fail.

    python tests/mutate_checker.py [--quick] [--shard K/N] [PART ...]

Conditions of all kinds are deleted, negated or shifted by one, constants beside a sum too, and
checks and updates left out. Every mutant of ``kvpr_opt/verify.py`` is tested in a copy of the
project, up to the first failure; the test that failed is tried first on the next mutants of the
same function. What survives is printed, and the exit code is 1 if it is not among `HARMLESS`.

With parts, only mutants are tried whose description contains one of them: a function, or what an
earlier run has printed. With a shard, only every N-th of them is, from the K-th on (from 1).
The quick tests alone are a first look: what survives them may still fail a long one.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import itertools
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

#: These see nearly all mutants, in a few seconds; the fast ones first.
QUICK = [
    "test_verify_relocation.py",
    "test_checker_limits.py",
    "certificates/test_rounded.py",
    "certificates/test_certificate.py",
    "certificates/test_document.py",
    "test_verify_arguments.py",
    "test_verify.py",
]

#: These take longer, and see what those miss.
LONG = ["test_verify_constrained.py", "test_points_alone.py", "test_points.py"]

#: How many tests that failed before are tried first.
MAX_FIRST = 4

#: What takes long to import and is not tested: done once, before a process is made for a mutant.
HEAVY = [
    "pytest",
    "hypothesis",
    "numpy",
    "numba",
    "msgspec",
    "highspy",
    "ortools.sat.python.cp_model",
]

#: Seconds of processor time, and bytes, that the tests may take with a mutant; more counts as a
#: failure. So does a mutant that waits for ever.
MAX_SECONDS, MAX_BYTES, MAX_WAITING = 150, 6 << 30, 1_800

#: Each comparison, its opposite, and its neighbour where there is one.
OTHERS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.GtE, ast.LtE],
    ast.LtE: [ast.Gt, ast.Lt],
    ast.Gt: [ast.LtE, ast.GtE],
    ast.GtE: [ast.Lt, ast.Gt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}

#: Mutants that change no verdict, by description, and why.
HARMLESS: dict[str, str] = {
    "refute: len(fitting) + 50 -> len(fitting) + 49": "a table somewhat longer",
    "refute: len(fitting) + 50 -> len(fitting) + 51": "a table somewhat coarser, so more steps",
    "_count_cases:  for item in needed if item[0] > 0 ->  for item in needed": (
        "bins are then needed as well as models; of an empty one the pattern is the empty set"
    ),
}


def mutants(tree: ast.Module) -> Iterator[str]:
    """Mutate the tree in place, and yield what was changed, which starts with the function.

    The tree is restored before the next mutation.
    """
    for top in tree.body:
        if not isinstance(top, (ast.FunctionDef, ast.ClassDef)):
            continue
        for node in ast.walk(top):
            for attribute, other in _changes(node):
                original, before = getattr(node, attribute), _line(node)
                setattr(node, attribute, other)
                change = f"{before} -> {_line(node)}"
                if attribute == "body":
                    kept = [*map(id, other)]
                    change = f"without {_line(next(x for x in original if id(x) not in kept))}"
                yield f"{top.name}: {change}"
                setattr(node, attribute, original)


def _line(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Attributes of a node, each with something else to put there."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in OTHERS[type(node.ops[0])]:
            yield "ops", [other()]
    elif isinstance(node, ast.BoolOp):
        yield from _without_each(node, "values")
    elif isinstance(node, ast.comprehension):
        yield from _without_each(node, "ifs")
    elif isinstance(node, ast.BinOp):
        yield from _shifted(node)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "require":
        yield "args", [ast.Constant(True), *node.args[1:]]
    elif isinstance(node, (ast.If, ast.IfExp)):
        yield from (("test", ast.Constant(value)) for value in (False, True))
    if isinstance(node, (ast.FunctionDef, ast.For, ast.While, ast.If)):
        yield from _left_out(node)


def _without_each(node: ast.AST, attribute: str) -> Iterator[tuple[str, Any]]:
    values = getattr(node, attribute)
    for place in range(len(values)):
        yield attribute, [*values[:place], *values[place + 1 :]]


def _shifted(node: ast.BinOp) -> Iterator[tuple[str, Any]]:
    """A sum or difference with one more or less."""
    for side in ("left", "right"):
        number = getattr(node, side)
        value = number.value if isinstance(number, ast.Constant) else None
        if isinstance(value, int) and isinstance(node.op, (ast.Add, ast.Sub)):
            yield from ((side, ast.Constant(value + step)) for step in (-1, 1))


def _left_out(
    block: ast.FunctionDef | ast.For | ast.While | ast.If,
) -> Iterator[tuple[str, Any]]:
    """A block without one of its calls and updates."""
    for place, statement in enumerate(block.body):
        call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        if call or isinstance(statement, ast.AugAssign):
            yield "body", [*block.body[:place], ast.Pass(), *block.body[place + 1 :]]


class _FirstFailure:
    """A plugin that writes the name of the test that fails to a pipe."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            os.write(self.pipe, f"{report.nodeid}\n".encode())


def killer(module: ast.Module, project: Path, first: list[str], tests: list[str]) -> str | None:
    """The test that fails with a module in the place of the checker; None if all pass."""
    (project / "kvpr_opt" / "verify.py").write_text(ast.unparse(module), encoding="utf-8")
    readable, writable = os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(MAX_WAITING)
        used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + MAX_SECONDS, used + MAX_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
        os.chdir(project)
        sys.path.insert(0, str(project))
        code = 1
        with contextlib.suppress(BaseException), open(os.devnull, "w") as nowhere:
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
            # To collect all tests takes longer than to run the few that mostly fail.
            code = _run(first, writable) if first else 0
            code = code or _run([f"tests/{name}" for name in tests], writable)
        os._exit(code)
    os.close(writable)
    with open(readable, encoding="utf-8") as pipe:
        failed = pipe.readline().strip()
    return None if os.waitpid(child, 0)[1] == 0 else failed or "no test by name"


def _run(tests: list[str], pipe: int) -> int:
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    plugins = [_FirstFailure(pipe)]
    return int(importlib.import_module("pytest").main([*options, *tests], plugins=plugins))


def main(parts: list[str], shard: tuple[int, int], *, quick: bool) -> int:
    """Try the mutants, print those that survive, and how many there were."""
    tree = ast.parse((ROOT / "kvpr_opt" / "verify.py").read_text(encoding="utf-8"))
    chosen = (
        description
        for description in mutants(tree)
        if not parts or any(part in description for part in parts)
    )
    for name in HEAVY:
        importlib.import_module(name)
    tried, harmless, unexplained = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        for name in ("kvpr_opt", "formulations", "tests", "docs", "pyproject.toml"):
            source = ROOT / name
            copied = shutil.copytree if source.is_dir() else shutil.copy
            copied(source, project / name)
        tests = QUICK if quick else [*QUICK, *LONG]
        if failed := killer(tree, project, [], tests):
            print(f"without any mutation, {failed} fails")
            return 2
        killers: defaultdict[str, list[str]] = defaultdict(list)
        for description in itertools.islice(chosen, shard[0] - 1, None, shard[1]):
            tried += 1
            function = description.partition(":")[0]
            failed = killer(tree, project, killers[function][:MAX_FIRST], tests)
            if failed is None:
                reason = HARMLESS.get(description)
                harmless += reason is not None
                unexplained += reason is None
                print(f"{description}: {reason or 'SURVIVES'}", flush=True)
            elif "::" in failed:
                others = [name for name in killers[function] if name != failed]
                killers[function] = [failed, *others]
    killed = tried - harmless - unexplained
    print(f"{tried} mutants: {killed} killed, {harmless} harmless, {unexplained} survive")
    return 1 if unexplained else 0


def _shard(text: str) -> tuple[int, int]:
    first, _, number = text.partition("/")
    if not 1 <= int(first) <= int(number):
        raise ValueError(text)
    return int(first), int(number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", metavar="PART", nargs="*")
    parser.add_argument("--shard", metavar="K/N", type=_shard, default=(1, 1))
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    sys.exit(main(arguments.parts, arguments.shard, quick=arguments.quick))
