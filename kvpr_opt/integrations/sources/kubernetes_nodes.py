"""GPUs of a cluster: ``kubectl get nodes -o json``, by the labels of GPU feature discovery.

The labels give the number and memory of MIG devices; with the strategy ``mixed`` the
capacities of the node say how many GPUs are not divided. MIG devices become GPUs without
a node, since a process sees only one of them.
"""

from __future__ import annotations

import re

from kvpr_opt.errors import InputError
from kvpr_opt.files.fields import text, whole
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.tree import Tree
from kvpr_opt.files.values import as_list, as_mapping
from kvpr_opt.integrations.records import GPURecord
from kvpr_opt.integrations.sources.nvidia_smi import label_of

NAME = "Kubernetes nodes"

_MIG_COUNT = re.compile(r"nvidia\.com/(mig-[0-9a-z.+]+)\.count")
_MIB = 1 << 20


def recognises(text: str) -> bool:
    """Whether the text is a JSON object that describes nodes."""
    return text.lstrip().startswith("{") and '"Node"' in text


def gpus(text: str, node: str) -> tuple[GPURecord, ...]:
    """The GPUs of every node, named ``NODE-NUMBER``, and its MIG devices."""
    root = as_mapping(json_tree(text), "")
    items = as_list(root["items"], "items") if "items" in root else [root]
    found: list[GPURecord] = []
    for index, item in enumerate(items):
        found.extend(_of_node(as_mapping(item, f"items[{index}]"), f"items[{index}]"))
    if not found:
        raise InputError(
            "no node has the label nvidia.com/gpu.count; GPU feature discovery writes it"
        )
    return tuple(found)


def _of_node(item: dict[str, Tree], place: str) -> list[GPURecord]:
    metadata = as_mapping(item.get("metadata", {}), f"{place}.metadata")
    name = text(metadata, "name", f"{place}.metadata")
    labels = as_mapping(metadata.get("labels", {}), f"{place}.metadata.labels")
    mixed = labels.get("nvidia.com/mig.strategy") == "mixed"
    found = []
    if "nvidia.com/gpu.count" in labels:
        number = _label(labels, "nvidia.com/gpu.count", place)
        if mixed:
            number = _undivided(item, labels, place)
        product = text(labels, "nvidia.com/gpu.product", f"{place}.metadata.labels")
        memory = _label(labels, "nvidia.com/gpu.memory", place) if number else 0
        found += _records(name, "", product, memory, number, mig="-MIG-" in product)
    for label in labels:
        if mixed and (match := _MIG_COUNT.fullmatch(label)):
            kind = match[1]
            number = _label(labels, label, place)
            memory = _label(labels, f"nvidia.com/{kind}.memory", place)
            found += _records(name, f"{kind}-", kind, memory, number, mig=True)
    return found


def _records(
    node: str, prefix: str, product: str, memory: int, number: int, *, mig: bool
) -> list[GPURecord]:
    labels = (label_of(product), *(("mig", node) if mig else ()))
    return [
        GPURecord(
            name=f"{node}-{prefix}{index}",
            memory=memory * _MIB,
            node=None if mig else node,
            labels=labels,
            origin=f"labels of node {node}: {product}",
        )
        for index in range(number)
    ]


def _label(labels: dict[str, Tree], key: str, place: str) -> int:
    where = f"{place}.metadata.labels.{key}"
    return whole(text(labels, key, f"{place}.metadata.labels"), where)


def _undivided(item: dict[str, Tree], labels: dict[str, Tree], place: str) -> int:
    """Number of undivided GPUs of the node; time-shared GPUs count once."""
    status = as_mapping(item.get("status", {}), f"{place}.status")
    capacity = as_mapping(status.get("capacity", {}), f"{place}.status.capacity")
    offered = whole(capacity.get("nvidia.com/gpu", "0"), f"{place}.status.capacity.nvidia.com/gpu")
    replicas = _label(labels, "nvidia.com/gpu.replicas", place) if offered else 1
    return offered // max(1, replicas)
