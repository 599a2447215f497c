"""The layers of the package: who may import whom, and what the public sees."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import formulations
import kvpr_opt

PACKAGES = {
    name: Path(module.__path__[0])
    for name, module in (("kvpr_opt", kvpr_opt), ("formulations", formulations))
}

#: Modules and packages at the top level, from the lowest layer up: each may import only from
#: those before it.
ORDER = [
    "_version",
    "exit_codes",
    "_alarm",
    "_interrupt",
    "verify",
    "errors",
    "_types",
    "environment",
    "html",
    "text",
    "limits",
    "highs",
    "drawing",
    "problem",
    "certificates",
    "search",
    "kernels",
    "heuristics",
    "local_search",
    "patterns",
    "warm_up",
    "stages",
    "result",
    "solve",
    "generate",
    "files",
    "programs",
    "integrations",
    "suites",
    "operate",
    "study",
    "audit",
    "cli",
    "__main__",
]

#: What the formulations may use of the package.
FOR_FORMULATIONS = {
    "errors",
    "_types",
    "certificates",
    "highs",
    "limits",
    "patterns",
    "problem",
    "search",
}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of both packages by dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            name = ".".join(part for part in parts if part != "__init__")
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.Module) -> set[str]:
    """Names of all modules imported anywhere in a module, functions included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            assert node.module is not None
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def unit(module: str) -> str | None:
    """The top-level module or package of ``kvpr_opt`` that a module belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "kvpr_opt" and len(parts) > 1 else None


def test_every_unit_has_its_layer() -> None:
    assert {unit(name) for name in modules()} - {None} == set(ORDER)


@pytest.mark.parametrize("module", [name for name in modules() if unit(name)])
def test_imports_lead_to_lower_layers(module: str) -> None:
    own = unit(module)
    assert own is not None
    for imported in imports(modules()[module]):
        other = unit(imported)
        if other in ORDER and other != own:
            assert ORDER.index(other) < ORDER.index(own), f"{module} imports {imported}"


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("formulations")])
def test_formulations_use_only_lower_layers(module: str) -> None:
    used = {unit(imported) for imported in imports(modules()[module])} - {None}
    assert used <= FOR_FORMULATIONS


def test_the_package_reaches_the_formulations_only_through_their_registry() -> None:
    reached = {
        (module, imported)
        for module, tree in modules().items()
        if unit(module)
        for imported in imports(tree)
        if imported.split(".")[0] == "formulations"
    }
    assert {imported for _, imported in reached} <= {
        "formulations.registry",
        "formulations.registry.NAMES",
        "formulations.registry.capabilities_of",
        "formulations.registry.check_constraints",
        "formulations.registry.check_name",
        "formulations.registry.create",
        "formulations.registry.relaxation_meets",
        "formulations.registry.relocation",
        "formulations.registry.write_model",
    }
    assert {module for module, _ in reached} == {
        "kvpr_opt.cli.export",
        "kvpr_opt.operate.replan",
        "kvpr_opt.solve",
        "kvpr_opt.stages.formulation_stage",
        "kvpr_opt.study.experiments.formulations",
    }


@pytest.mark.parametrize(
    "module",
    [
        "kvpr_opt.verify",
        "kvpr_opt.audit.import_watch",
        "kvpr_opt.audit.watchdog",
        "kvpr_opt.programs.contract",
    ],
)
def test_what_runs_alone_imports_the_standard_library_only(module: str) -> None:
    top = {name.split(".")[0] for name in imports(modules()[module])}
    assert top <= set(sys.stdlib_module_names)


def test_the_process_of_a_program_loads_the_package_only_for_the_contract_that_asks_for_it() -> (
    None
):
    found = imports(modules()["kvpr_opt.audit.child"])
    assert {name for name in found if name.split(".")[0] not in sys.stdlib_module_names} == {
        "kvpr_opt.files.reading",
        "kvpr_opt.files.reading.read_instance",
    }


@pytest.mark.parametrize(
    "statement",
    [
        "import kvpr_opt, formulations",
        "import formulations, kvpr_opt",
        "import formulations.assignment_cpsat, kvpr_opt",
        "import kvpr_opt, formulations.assignment_pulp",
    ],
)
def test_both_packages_import_in_either_order(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True, timeout=60)


def test_importing_the_package_loads_no_solver_and_nothing_that_few_programs_use() -> None:
    loaded = "import sys, kvpr_opt; print(*sorted(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", loaded], check=True, timeout=60, capture_output=True, text=True
    ).stdout.split()
    assert "kvpr_opt.solve" in output
    for solver in ("ortools", "pulp", "highspy", "numba", "pandas", "typer", "rich"):
        assert solver not in output
    assert "kvpr_opt.operate" not in output
    assert "kvpr_opt.files.checkpoints" not in output


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert set(kvpr_opt.__all__) <= set(dir(kvpr_opt))
    name = "evaluat"
    with pytest.raises(AttributeError, match="'kvpr_opt' has no attribute 'evaluat'"):
        getattr(kvpr_opt, name)


def test_the_public_names_are_these() -> None:
    assert kvpr_opt.__all__ == [
        "GPU",
        "LLM",
        "Certificate",
        "Evaluation",
        "Explanation",
        "Grade",
        "Headroom",
        "Instance",
        "KvprError",
        "Placement",
        "Plan",
        "Progress",
        "Replan",
        "Result",
        "Sizing",
        "Status",
        "StopReason",
        "evaluate",
        "headroom",
        "heuristic",
        "lower_bound",
        "random_instance",
        "read_instance",
        "read_result",
        "replan",
        "size",
        "solve",
        "verify",
        "why",
        "write_instance",
        "write_result",
    ]
    page = Path(__file__).parents[1] / "docs" / "api.md"
    listed = set(re.findall(r"`(\w+)`", page.read_text(encoding="utf-8")))
    for name in kvpr_opt.__all__:
        assert getattr(kvpr_opt, name).__doc__, name
        assert name in listed


def loaded_by(tree: ast.Module) -> set[str]:
    """Modules of both packages that importing this one loads, type checking aside."""
    statements = [
        *tree.body,
        *(s for node in tree.body if isinstance(node, ast.Try) for s in node.body),
    ]
    found = set()
    for node in statements:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in modules() else str(node.module))
    return found & set(modules())


def test_no_modules_import_each_other_in_a_circle() -> None:
    settled: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in settled:
            for imported in sorted(loaded_by(modules()[name])):
                visit(imported, (*path, name))
            settled.add(name)

    for name in modules():
        visit(name, ())


def test_public_classes_of_different_modules_have_different_names() -> None:
    owners: dict[str, list[str]] = {}
    for module, tree in modules().items():
        if module == "kvpr_opt.verify":
            continue  # it stands alone, and reads the same things in types of its own
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                owners.setdefault(node.name, []).append(module)
    owners.pop("Formulation")  # which each model has, by protocol
    assert {name: found for name, found in owners.items() if len(found) > 1} == {}
