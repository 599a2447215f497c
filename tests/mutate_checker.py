"""Mutation test of the checker: each condition deleted, negated or shifted must fail a test.

    python tests/mutate_checker.py [PART]

Every mutant of ``kvpr_opt/verify.py`` is tested in a copy of the project, up to the first
failure. What survives is printed, and the exit code is 1 if it is not among `HARMLESS`.
With PART, only functions whose name contains it are mutated.
"""

from __future__ import annotations

import ast
import copy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ["test_verify.py", "test_points.py", "test_checker_limits.py", "test_certificate.py"]

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

#: Mutants that change no verdict, by function and mutated line, and why.
HARMLESS: dict[tuple[str, str], str] = {
    ("_patterns", "(steps := (steps - 1)) <= 0"): "the limit is one step lower",
}


def mutants(tree: ast.Module) -> Iterator[tuple[str, str, ast.Module]]:
    """Name of the function, the mutated condition, and the mutated module."""
    for top in tree.body:
        if not isinstance(top, (ast.FunctionDef, ast.ClassDef)):
            continue
        for node in ast.walk(top):
            for attribute, other in _changes(node):
                original = getattr(node, attribute)
                setattr(node, attribute, other)
                changed = ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]
                yield top.name, changed, copy.deepcopy(tree)
                setattr(node, attribute, original)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Attributes of a node, each with something else to put there."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in OTHERS[type(node.ops[0])]:
            yield "ops", [other()]
    if isinstance(node, ast.BoolOp):
        for place in range(len(node.values)):
            yield "values", [*node.values[:place], *node.values[place + 1 :]]
    if isinstance(node, (ast.If, ast.IfExp)):
        yield "test", ast.Constant(False)
        yield "test", ast.Constant(True)
    if isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield "ifs", [*node.ifs[:place], *node.ifs[place + 1 :]]


def survives(mutant: ast.Module, project: Path) -> bool:
    """Whether all tests pass with the mutant in the place of the checker."""
    (project / "kvpr_opt" / "verify.py").write_text(ast.unparse(mutant), encoding="utf-8")
    tests = [str(project / "tests" / name) for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *tests], cwd=project, capture_output=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main(part: str = "") -> int:
    """Try all mutants, print those that survive, and how many there were."""
    tree = ast.parse((ROOT / "kvpr_opt" / "verify.py").read_text(encoding="utf-8"))
    tried, unexplained = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        for name in ("kvpr_opt", "formulations", "tests", "docs", "pyproject.toml"):
            source = ROOT / name
            copied = shutil.copytree if source.is_dir() else shutil.copy
            copied(source, project / name)
        for function, changed, mutant in mutants(tree):
            if part not in function:
                continue
            tried += 1
            if survives(mutant, project):
                reason = HARMLESS.get((function, changed))
                unexplained += reason is None
                print(f"{function}: {changed}: {reason or 'SURVIVES'}", flush=True)
    print(f"{tried} mutants, {unexplained} survive without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
