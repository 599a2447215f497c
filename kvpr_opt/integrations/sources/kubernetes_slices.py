"""GPUs of a cluster with dynamic resource allocation: ``kubectl get resourceslices -o json``.

Unlike node labels, the slices of NVIDIA's driver have the UUID of each GPU, by which a claim
can select it. MIG devices become GPUs without a node, since a process sees only one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvpr_opt.errors import InputError
from kvpr_opt.files.fields import text
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.files.values import as_list, as_mapping
from kvpr_opt.integrations.records import GPURecord
from kvpr_opt.integrations.sources.nvidia_smi import label_of

NAME = "Kubernetes resource slices"

_DRIVER = "gpu.nvidia.com"
_QUANTITY = re.compile(r"(\d{1,18})(Ki|Mi|Gi|Ti)?", re.ASCII)
_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def recognises(text: str) -> bool:
    """Whether the text is a JSON object that describes resource slices."""
    return text.lstrip().startswith("{") and '"ResourceSlice"' in text


def gpus(text: str, node: str) -> tuple[GPURecord, ...]:
    """The GPUs of every slice of the driver, named ``NODE-DEVICE``."""
    root = as_mapping(json_tree(text), "")
    items = as_list(root["items"], "items") if "items" in root else [root]
    found: list[GPURecord] = []
    for index, item in enumerate(items):
        place = f"items[{index}].spec"
        spec = as_mapping(as_mapping(item, f"items[{index}]").get("spec", ""), place)
        if spec.get("driver") == _DRIVER:
            found.extend(_devices(spec, place))
    if not found:
        raise InputError(f"no slice of the driver {_DRIVER} has a GPU")
    return tuple(found)


def _devices(spec: dict[str, Tree], place: str) -> Iterator[GPURecord]:
    node = text(spec, "nodeName", place)
    for index, entry in enumerate(as_list(spec.get("devices", []), f"{place}.devices")):
        where = f"{place}.devices[{index}]"
        device = as_mapping(entry, where)
        # Older API versions have one more level.
        inner = as_mapping(device.get("basic", device), where)
        attributes = as_mapping(inner.get("attributes", ""), f"{where}.attributes")
        kind = _attribute(attributes, "type", where)
        if kind not in ("gpu", "mig"):
            continue  # a GPU passed through to a virtual machine
        product = _attribute(attributes, "productName", where)
        mig = kind == "mig"
        yield GPURecord(
            name=f"{node}-{text(device, 'name', where)}",
            memory=_memory(inner, where),
            node=None if mig else node,
            uuid=_attribute(attributes, "uuid", where),
            labels=(label_of(product), *(("mig", node) if mig else ())),
            origin=f"resource slice of node {node}: {product}",
        )


def _attribute(attributes: dict[str, Tree], key: str, place: str) -> str:
    where = f"{place}.attributes.{key}"
    return text(as_mapping(attributes.get(key, ""), where), "string", where)


def _memory(inner: dict[str, Tree], place: str) -> int:
    where = f"{place}.capacity.memory"
    capacity = as_mapping(inner.get("capacity", ""), f"{place}.capacity")
    value = text(as_mapping(capacity.get("memory", ""), where), "value", where)
    match = _QUANTITY.fullmatch(value)
    if not match or int(match[1]) == 0:
        raise InputError(f"{shown(value)} is not an amount of memory such as 81559Mi", place=where)
    return int(match[1]) * _UNITS[match[2]]
