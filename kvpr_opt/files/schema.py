"""What a fleet file may say: from a tree of text to a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kvpr_opt.certificates.canonical import CONSTRAINED_SCHEMA
from kvpr_opt.certificates.canonical import SCHEMA as CANONICAL
from kvpr_opt.errors import InputError
from kvpr_opt.files import records, values
from kvpr_opt.files.fleet_unit import fleet_unit
from kvpr_opt.files.model_folders import with_folders
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.problem.instance import GPU, Instance
from kvpr_opt.problem.units import check_unit

# A canonical fleet is a fleet file too, hence the last two.
_FLEET_KEYS = ("gpus", "models", "unit", "schema", "constraints")

_HERE = Path()


def fleet(tree: Tree, given_gpus: list[GPU] | None = None, base: Path = _HERE) -> Instance:
    """The fleet that a JSON or YAML file describes.

    Parameters
    ----------
    tree
        The file: a mapping with ``gpus`` and ``models``, or a list of models.
    given_gpus
        The GPUs, where they are given beside the file.
    base
        The folder that paths in the file start from.

    Raises
    ------
    InputError
        For anything that the schema does not allow.
    """
    if isinstance(tree, list):
        tree = {"models": tree}
    if not isinstance(tree, dict):
        raise InputError(f"a fleet is a mapping with the keys gpus and models, not {shown(tree)}")
    values.check_keys(tree, _FLEET_KEYS)
    _check_canonical(tree)
    if "schema" in tree:
        tree = {**tree, "gpus": _with_nominal_memory(tree.get("gpus", []))}
    if "models" not in tree:
        raise InputError("no key 'models'; an empty fleet has 'models: []'")
    if given_gpus is not None and "gpus" in tree:
        raise InputError("the file lists its own gpus; omit number and memory", place="gpus")
    if given_gpus is None and "gpus" not in tree:
        raise InputError("no key 'gpus'; put it in the file, or give number and memory of the GPUs")
    said = check_unit(values.text(tree["unit"], "unit")) if "unit" in tree else None
    gpus = [] if given_gpus is not None else _placed(tree["gpus"], "gpus")
    models = with_folders(_placed(tree["models"], "models"), base)
    unit = fleet_unit(said, gpus, models, plain_gpus=given_gpus is not None)
    return Instance(
        records.gpus(tree["gpus"], unit) if given_gpus is None else given_gpus,
        records.models(models, unit),
        unit,
    )


def _with_nominal_memory(gpus: Tree) -> Tree:
    """The GPUs of a canonical fleet, where those that are reserved whole have no memory.

    The canonical form has usable memory only; a GPU needs some that it is reserved of.
    """
    if not isinstance(gpus, list):
        return gpus
    return [
        {**gpu, "memory": "1", "reserved": "1"}
        if isinstance(gpu, dict) and gpu.get("memory") == "0"
        else gpu
        for gpu in gpus
    ]


def _placed(tree: Tree, key: str) -> list[tuple[str, Tree]]:
    """The records of a list, each with its place."""
    return [(f"{key}[{index}]", record) for index, record in enumerate(values.as_list(tree, key))]


def _check_canonical(tree: Mapping[str, Tree]) -> None:
    schema = tree.get("schema", CANONICAL)
    if schema == CONSTRAINED_SCHEMA or tree.get("constraints", []) != []:
        raise InputError(
            "a canonical fleet with constraints is for the checker; give the fleet file itself",
            place="constraints",
        )
    if schema != CANONICAL:
        raise InputError(f"{shown(schema)} is not {CANONICAL!r}", place="schema")
