"""Mutation test of the checker: whatever decides in it is changed, and a test must fail.

    python tests/mutate_checker.py [--quick] [--shard K/N] [PART ...]

Conditions of all kinds are deleted, negated or shifted by one, constants beside a sum too, and
checks and updates left out. Every mutant of ``kvpr_opt/verify.py`` is tested in a copy of the
project, up to the first failure; the test that failed is tried first on the next mutants of the
same function. What survives is printed, and the exit code is 1 if it is not among `HARMLESS`.

With parts, only mutants are tried whose description contains one of them: a function, or what an
earlier run has printed. With a shard, only every N-th of them is, from the K-th on (from 1).
The quick tests alone are a first look: what survives them may still fail another one.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import itertools
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

ROOT = Path(__file__).parents[1]

TESTS = [
    "test_verify.py",
    "test_verify_arguments.py",
    "test_verify_constrained.py",
    "test_verify_fleet.py",
    "test_verify_relocation.py",
    "test_verify_rules.py",
    "test_checker_limits.py",
    "test_points.py",
    "test_points_alone.py",
    "certificates/test_certificate.py",
    "certificates/test_document.py",
    "certificates/test_rounded.py",
]

#: Seconds of processor time that a quick test takes at most.
QUICK = 0.5

#: Seconds of processor time that a test may take with a mutant, beside some times what it takes
#: without one, and bytes; more counts as a failure. So does a mutant that waits for ever.
MAX_SECONDS, MAX_TIMES, MAX_BYTES, MAX_WAITING = 5, 5, 3 << 30, 1_800

#: In the place of the name of a test, once there is none left.
PASSED = "all passed"

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
    "parse: if '\\\\u' in text: -> if True:": "without an escape, that finds nothing more",
    "integer: int(text) if len(text) < 600 else int(Decimal(text)) -> "
    "int(text) if False else int(Decimal(text))": "the way for long numbers reads short ones, too",
    "integer: len(text) < 600 -> len(text) <= 600": "both ways read as many digits as that",
    "threshold: isinstance(ratio, float) or ratio > everything -> ratio > everything": (
        "the infinite ratio is above all pressure as well"
    ),
    "largest_groups: len(group) > 1 and (model not in found or len(group) > "
    "len(free[found[model]])) -> (model not in found or len(group) > len(free[found[model]]))": (
        "a group of one model is chosen from like the model alone"
    ),
    "largest_groups: len(group) > 1 -> len(group) >= 1": "the same",
    "check_constrained: math.gcd(*sizes.values()) or 1 -> math.gcd(*sizes.values())": (
        "where no free item has a size, no points count, and that is refused before"
    ),
    "_follows: value is None and best == math.inf -> best == math.inf": (
        "with a placement, an infinite bound is refused before"
    ),
    "_read: LIMITS.file_bytes + 1 -> LIMITS.file_bytes + 2": "two bytes too many are refused, too",
    "_patterns: len(items) + 50 -> len(items) + 49": "a table somewhat longer",
    "_patterns: len(items) + 50 -> len(items) + 51": "a table somewhat coarser, so more steps",
    "_count_cases:  for item in needed if item[0] > 0 ->  for item in needed": (
        "bins are then needed as well as models; of an empty one the pattern is the empty set"
    ),
    "_count_cases: item[0] > 0 -> item[0] >= 0": "the same",
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


class Mutating:
    """A plugin that takes the place of running the tests: it runs them for each mutant.

    They are collected once. A mutant is made in a process of its own, by giving the functions
    of the checker other code, wherever they were imported to; and in the file, for the tests
    that run or read that.
    """

    def __init__(
        self, project: Path, parts: list[str], shard: tuple[int, int], *, quick: bool
    ) -> None:
        self.code = 2
        self._checker = project / "kvpr_opt" / "verify.py"
        self._seconds: dict[str, float] = {}  # by test, without a mutation
        self._parts = parts
        self._shard = shard
        self._quick = quick

    def pytest_runtestloop(self, session: Any) -> bool:
        """Try the mutants, print those that survive, and how many there were."""
        if session.testsfailed:
            print("the tests cannot be collected")
            return True
        # From the first mutant on, the package is another one than its kernels were made for.
        kernels = importlib.import_module("kvpr_opt.kernels")
        if not kernels.are_ready():
            print("the kernels are not compiled")
            return True
        tree = ast.parse(self._checker.read_text(encoding="utf-8"))
        begun = self._run(tree, session.items)
        if begun[-1][1] != PASSED:
            print(f"without any mutation, {begun[-1][1]} fails")
            return True
        taken = [after - at for (at, _), (after, _) in itertools.pairwise(begun)]
        self._seconds = {name: each for each, (_, name) in zip(taken, begun, strict=False)}
        # Quick ones first: most mutants fail one of them.
        items = sorted(session.items, key=lambda item: self._seconds[item.nodeid])
        if self._quick:
            items = [item for item in items if self._seconds[item.nodeid] <= QUICK]
        if stale := set(HARMLESS).difference(mutants(tree)):
            print("no mutants any more:", *sorted(stale), sep="\n")
            return True
        killers: defaultdict[str, list[str]] = defaultdict(list)
        counts = Counter[str](killed=0, harmless=0, survive=0)
        chosen = (
            description
            for description in mutants(tree)
            if not self._parts or any(part in description for part in self._parts)
        )
        for description in itertools.islice(chosen, self._shard[0] - 1, None, self._shard[1]):
            before = killers[description.partition(":")[0]]
            rank = {name: place for place, name in enumerate(before)}
            ordered = sorted(items, key=lambda item: rank.get(item.nodeid, len(rank)))
            failed = self._run(tree, ordered)[-1][1]
            if failed == PASSED:
                reason = HARMLESS.get(description)
                counts["harmless" if reason else "survive"] += 1
                print(f"{description}: {reason or 'SURVIVES'}", flush=True)
            else:
                counts["killed"] += 1
                if description in HARMLESS:
                    print(f"{description}: not harmless, {failed} fails", flush=True)
                before[:] = [failed, *(name for name in before if name != failed)]
        print(f"{sum(counts.values())} mutants:", *(f"{counts[each]} {each}" for each in counts))
        self.code = 1 if counts["survive"] else 0
        return True

    def _run(self, module: ast.Module, items: list[Any]) -> list[tuple[float, str]]:
        """Run the tests with a module in the place of the checker, up to the first that fails.

        Returns those begun, each with the seconds of processor time before it, and `PASSED`.
        """
        text = ast.unparse(module)
        self._checker.write_text(text, encoding="utf-8")
        readable, writable = os.pipe()
        if (child := os.fork()) == 0:
            signal.alarm(MAX_WAITING)
            resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
            with contextlib.suppress(BaseException), open(os.devnull, "w") as nowhere:
                for stream in (1, 2):
                    os.dup2(nowhere.fileno(), stream)
                _replace_functions(text)
                for item, following in itertools.zip_longest(items, items[1:]):
                    # The last one begun is the one that failed, whatever it did to its process.
                    os.write(writable, f"{time.process_time()} {item.nodeid}\n".encode())
                    self._limit_time(item.nodeid)
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                os.write(writable, f"{time.process_time()} {PASSED}\n".encode())
            os._exit(0)
        os.close(writable)
        with open(readable, encoding="utf-8") as pipe:
            begun = [line.rstrip("\n").partition(" ") for line in pipe]
        os.waitpid(child, 0)
        return [(float(seconds), name) for seconds, _, name in begun] or [(0.0, "the start")]

    def _limit_time(self, test: str) -> None:
        """Let this process be killed if the test takes far longer than without a mutation."""
        if test in self._seconds:
            most = time.process_time() + MAX_SECONDS + MAX_TIMES * self._seconds[test]
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(most), resource.RLIM_INFINITY))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """End the process at the first failure."""
        if report.failed:
            os._exit(1)


def _replace_functions(text: str) -> None:
    module = importlib.import_module("kvpr_opt.verify")
    for code in compile(text, str(module.__file__), "exec").co_consts:
        function = getattr(module, getattr(code, "co_name", ""), None)
        if isinstance(function, FunctionType):
            function.__code__ = code


def main(parts: list[str], shard: tuple[int, int], *, quick: bool) -> int:
    """Run pytest on a copy of the project, with `Mutating` in the place of its loop."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        for name in ("kvpr_opt", "formulations", "tests", "docs", "pyproject.toml"):
            source = ROOT / name
            copied = shutil.copytree if source.is_dir() else shutil.copy
            copied(source, project / name)
        os.chdir(project)
        sys.path.insert(0, str(project))
        subprocess.run([sys.executable, "-m", "kvpr_opt", "warmup"], check=True)
        tests = [f"tests/{name}" for name in TESTS]
        options = ["-q", "-s", "-n", "0", "-p", "no:cacheprovider"]
        mutating = Mutating(project, parts, shard, quick=quick)
        importlib.import_module("pytest").main([*options, *tests], plugins=[mutating])
        return mutating.code


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
