"""From a fleet and its placement to the servers to start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.errors import InputError, nearest
from kvpr_opt.files.checkpoints.folder import Checkpoint
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.launch import Device, Launch, ServerNeeds, launch
from kvpr_opt.problem.instance import GPU, LLM
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.units import UNITS
from kvpr_opt.result import Result


def placed(
    result: Result, models: Sequence[Checkpoint] = (), *, unit: str | None = None, version: str
) -> Launch:
    """The servers of a result.

    Parameters
    ----------
    result
        With a placement.
    models
        Model folders by model name: what to load, and the sequence length of the KV floor.
        Other models are loaded by their names.
    unit
        The unit of plain amounts in the fleet, if it does not give one.
    version
        Version of this package, for the header.

    Raises
    ------
    InputError
        If there is no placement, the unit is unknown, a folder belongs to no model, or the
        servers could not start.
    """
    instance, placement = result.instance, result.placement
    if placement is None:
        raise InputError("the result has no placement")
    if instance.unit is not None and unit is not None and unit != instance.unit:
        raise InputError(f"the unit of the fleet is {instance.unit}", place="--unit")
    if (instance.unit or unit) is None:
        raise InputError("the fleet has no unit; add 'unit: GB' to it, or give --unit")
    size = UNITS[str(instance.unit or unit)]
    folders = {model.name: model for model in models}
    known = {_parent(model) for model in instance.models}
    for name in folders:
        if name not in known:
            raise InputError(
                f"the fleet has no model {shown(name)}{nearest(name, known)}; --models NAME=DIR "
                "gives a folder another name"
            )
    return launch(
        _devices(instance.gpus, size),
        _servers(placement, size, folders),
        _remarks(result, version),
    )


def _parent(model: LLM) -> str:
    """The name of the model that a placed part belongs to."""
    return model.name if model.part is None else model.part.model


def _devices(gpus: Sequence[GPU], unit: int) -> list[Device]:
    """The GPUs in bytes. Without index and uuid, the position in the fleet is the index.

    GPUs without a node are on the only machine; this includes MIG devices, which therefore
    get no shards.
    """
    unnamed = all(gpu.index is None and gpu.uuid is None for gpu in gpus)
    nodes = list(dict.fromkeys(gpu.node for gpu in gpus if gpu.node is not None))
    only = nodes[0] if len(nodes) == 1 else None
    counted: dict[str | None, int] = {}
    devices = []
    for gpu in gpus:
        node = only if gpu.node is None else gpu.node
        number = counted.setdefault(node, 0) if unnamed else gpu.index
        counted[node] = counted.get(node, 0) + 1
        devices.append(
            Device(gpu.name, gpu.memory * unit, gpu.usable * unit, node, number, gpu.uuid)
        )
    return devices


def _servers(
    placement: Placement, unit: int, folders: Mapping[str, Checkpoint]
) -> list[ServerNeeds]:
    parts: dict[tuple[str, int], list[tuple[LLM, int]]] = {}
    for model, gpu in zip(placement.instance.models, placement.gpu_of, strict=True):
        key = (model.name, 0) if model.part is None else (model.part.model, model.part.replica)
        parts.setdefault(key, []).append((model, gpu))
    servers = []
    for (parent, _), shards in parts.items():
        first = shards[0][0]
        folder = folders.get(parent)
        floor = first.kv_floor * unit
        longest = folder.kv_cache.longest(floor) if folder and floor else 0
        servers.append(
            ServerNeeds(
                name=first.name.rpartition("/s")[0] if len(shards) > 1 else first.name,
                model=parent,
                devices=tuple(gpu for _, gpu in shards),
                weights=first.size * unit,
                overhead=first.overhead * unit,
                kv_floor=floor,
                pressure=first.pressure,
                path=folder.folder if folder else parent,
                max_tokens=longest or None,
            )
        )
    return servers


def _remarks(result: Result, version: str) -> list[str]:
    instance = result.instance
    bound = result.lower_bound
    grade = "certified" if result.certified else "not certified"
    remarks = [
        f"Written by kvpr-opt {version} from the fleet with the digest {digest(instance)}.",
        f"Highest KVPR {_text(result.max_kvpr)}; no placement is below {_text(bound)} ({grade}).",
    ]
    if all(gpu.index is None and gpu.uuid is None for gpu in instance.gpus):
        remarks.append("GPUs are numbered as they stand in the fleet, which has no index or uuid.")
    bare = [model.name for model in instance.models if not model.overhead]
    if bare:
        remarks.append(
            f"{len(bare)} models have no overhead in the fleet, {bare[0]} among them: nothing is "
            "left for context and activations of an engine, unless reserved is."
        )
    return remarks


def _text(value: Fraction | float | None) -> str:
    return "unknown" if value is None else f"{float(value):.6g}"
