"""A llama-swap configuration for each machine; all servers are loaded at start, in order, and stay.

llama-swap loads the models of its ``preload`` list one after the other, each once the
previous one answers.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.launch import Launch, Server
from kvpr_opt.integrations.targets.common import (
    PATIENCE,
    VLLM,
    by_node,
    comment,
    dumped,
    file_name,
    one_line_name,
    patience_of,
    visible_devices,
    vllm_flags,
)

NAME = "llama-swap"
STACK = f"llama-swap of August 2026 and {VLLM}"
SETTINGS = {"patience": PATIENCE}

_LEAST_PATIENCE = 15


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One configuration per machine."""
    groups = by_node(plan)
    found = {}
    for node, servers in groups.items():
        names = [_name(server.name) for server in servers]
        document = {
            "healthCheckTimeout": max(_LEAST_PATIENCE, patience_of(settings)),
            "models": {name: _model(server) for name, server in zip(names, servers, strict=True)},
            "groups": {
                "placed": {
                    "swap": False,
                    "exclusive": False,
                    "persistent": True,
                    "members": names,
                }
            },
            "hooks": {"on_startup": {"preload": names}},
        }
        header = comment(plan.remarks, STACK)
        found[file_name("llama-swap", ".yaml", node, groups)] = header + dumped(document)
    return found


def _model(server: Server) -> dict[str, Any]:
    flags = vllm_flags(server, "${PORT}", "127.0.0.1")
    words = ["vllm", "serve", _name(server.needs.path), *flags]
    return {
        # llama-swap fills in ${PORT}.
        "cmd": " ".join(word if word == "${PORT}" else shlex.quote(word) for word in words),
        "env": [f"{key}={text}" for key, text in visible_devices(server).items()],
        "useModelName": _name(server.needs.model),
        "checkEndpoint": "/health",
        "ttl": 0,
    }


def _name(name: str) -> str:
    if "${" in name or name != name.strip():
        raise InputError(
            f"{shown(name)}: llama-swap would replace or strip a part of this name; rename the "
            "model in the fleet"
        )
    return one_line_name(name)
