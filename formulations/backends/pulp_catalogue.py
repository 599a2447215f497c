"""The solvers that PuLP can call, under the names that users give them.

Which of them are installed is determined at run time. A solver's "infeasible" is
trusted only where PuLP passes it on faithfully, as checked class by class in the
source of PuLP 3.3 and 4.2.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import pulp

from kvpr_opt.errors import InputError, check_known


class Family(NamedTuple):
    """One solver, and the PuLP classes that can call it.

    Attributes
    ----------
    classes
        Names of the PuLP classes, in the order to try them.
    how_to_get
        What to install.
    """

    classes: tuple[str, ...]
    how_to_get: str


#: The solver used when a formulation is requested without one.
DEFAULT_SOLVER = "highs"

#: The solvers by the names that a user may give.
FAMILIES: dict[str, Family] = {
    DEFAULT_SOLVER: Family(("HiGHS",), "highspy"),
    "cbc": Family(
        ("COIN_CMD", "PULP_CBC_CMD"),
        "'pulp[cbc]' (PuLP 4), or a program 'cbc' on the path, such as the system's package "
        "coinor-cbc; PuLP 3 brings one for most machines",
    ),
    "scip": Family(("SCIP_PY", "SCIP_CMD", "FSCIP_CMD"), "pyscipopt"),
    "gurobi": Family(("GUROBI", "GUROBI_CMD"), "gurobipy, and a licence"),
    "cplex": Family(("CPLEX_PY", "CPLEX_CMD"), "cplex, or CPLEX Studio"),
    "copt": Family(("COPT", "COPT_CMD", "COPT_DLL"), "coptpy, and a licence"),
    "xpress": Family(("XPRESS_PY", "XPRESS_CMD"), "xpress"),
    "mosek": Family(("MOSEK",), "mosek, and a licence"),
    "glpk": Family(
        ("GLPK_CMD", "PYGLPK"), "a program 'glpsol' on the path, such as the system's package glpk"
    ),
    "mipcl": Family(("MIPCL_CMD",), "the program 'mps_mipcl' on the path"),
    "choco": Family(("CHOCO_CMD",), "a 'choco-parsers-with-dependencies.jar' on the path"),
}

#: Classes that never report a time limit, a missing file or a refused licence as
#: "infeasible". Of the others, CPLEX_CMD does so without a solution file and CPLEX_PY
#: after a time limit; the rest have not been reviewed closely enough.
FAITHFUL = frozenset({"COIN_CMD", "PULP_CBC_CMD", "SCIP_PY", "SCIP_CMD", "GUROBI"})

#: Options that are always given. CBC's preprocessing calls feasible models infeasible,
#: such as 9000 x + 7200 y + 10800 z >= 16200 with y = 1 (PuLP issue 662).
OPTIONS: dict[str, list[str]] = {
    "COIN_CMD": ["preprocess off"],
    "PULP_CBC_CMD": ["preprocess off"],
}


def check_solver(name: str) -> None:
    """Reject a solver that PuLP does not know, or that is not installed.

    Raises
    ------
    InputError
        Names the closest known name, or what to install.
    """
    check_known("solver", name, tuple(FAMILIES), place="method")
    class_of(name)


def class_of(name: str) -> str:
    """The name of the PuLP class that can call a solver on this machine.

    Raises
    ------
    InputError
        If there is none, with what to install.
    """
    family = FAMILIES[name]
    for candidate in family.classes:
        if _is_there(candidate):
            return candidate
    raise InputError(
        f"solver {name!r} is not installed; install {family.how_to_get}. "
        f"Available: {', '.join(available())}",
        place="method",
    )


def available() -> list[str]:
    """The solvers installed on this machine, by the names that users give them."""
    return [name for name, family in FAMILIES.items() if any(map(_is_there, family.classes))]


def _is_there(name: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PuLP 3 warns about what PuLP 4 removes
            return bool(pulp.getSolver(name, msg=False).available())
    except Exception:  # from the solver's own library: licence, missing file, wrong version
        return False
