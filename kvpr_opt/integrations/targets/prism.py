"""The model list with which Prism's server starts, one per machine.

Replicas are placements of one model. The pool is its KV cache, in GiB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.launch import Device, Launch, Server
from kvpr_opt.integrations.targets.common import by_node, file_name
from kvpr_opt.integrations.targets.protocol import Setting

NAME = "prism"
STACK = "the research prototype of Prism (arXiv:2505.04021)"
SETTINGS: dict[str, Setting] = {}

_GIB = 1 << 30


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One list per machine. JSON has no comments, so it has no header."""
    groups = by_node(plan)
    found = {}
    for node, servers in groups.items():
        models: dict[str, dict[str, Any]] = {}
        for server in servers:
            model = models.setdefault(
                server.needs.model,
                {
                    "model_name": server.needs.model,
                    "model_path": server.needs.path,
                    "tp_size": len(server.devices),
                    "init_placements": [],
                },
            )
            model["init_placements"].append(_placement(server))
        text = json.dumps(list(models.values()), indent=2, ensure_ascii=False)
        found[file_name("prism", ".json", node, groups)] = text + "\n"
    return found


def _placement(server: Server) -> dict[str, Any]:
    return {
        "gpu_ids": [_number(device) for device in server.devices],
        "on": True,
        "max_memory_pool_size": int(server.kv_cache / _GIB * 1000) / 1000,
    }


def _number(device: Device) -> int:
    if device.number is None:
        raise InputError(f"GPU {shown(device.name)} has no index in the fleet, which Prism needs")
    return device.number
