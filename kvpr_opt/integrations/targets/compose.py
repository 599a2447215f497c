"""A compose file for each machine, with a health check for each server and a start order.

A container sees only the GPUs of its server. A model folder on the host is mounted at the same
path, read-only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kvpr_opt.integrations.launch import Launch, Server
from kvpr_opt.integrations.targets.common import (
    PATIENCE,
    PORT,
    VLLM,
    by_node,
    comment,
    dumped,
    file_name,
    numbers,
    one_line_name,
    patience_of,
    ports,
    slugs,
    vllm_flags,
)
from kvpr_opt.integrations.targets.protocol import Setting

NAME = "compose"
STACK = f"docker compose 2.20 or later and {VLLM}"
SETTINGS = {
    "port": PORT,
    "patience": PATIENCE,
    "image": Setting("vllm/vllm-openai:v0.32.0", "image with vllm serve as its entry point"),
}

_INSIDE = 8000  # the port in the container


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One compose file per machine."""
    groups = by_node(plan)
    port_of, slug_of = ports(plan, settings), slugs(plan)
    found = {}
    for node, servers in groups.items():
        services = {
            slug_of[server.name]: _service(server, slug_of, port_of[server.name], settings)
            for server in servers
        }
        document = {"name": "kvpr", "services": services}
        header = comment(plan.remarks, STACK)
        found[file_name("compose", ".yaml", node, groups)] = header + dumped(document)
    return found


def _service(
    server: Server, slug_of: Mapping[str, str], port: int, settings: Mapping[str, str]
) -> dict[str, Any]:
    path = one_line_name(server.needs.path)
    flags = vllm_flags(server, _INSIDE, "0.0.0.0")
    patience = patience_of(settings)
    service: dict[str, Any] = {
        "image": _escaped(settings["image"]),
        "command": [_escaped(one_line_name(word)) for word in (path, *flags)],
        "ports": [f"{port}:{_INSIDE}"],
        "ipc": "host",
        "restart": "unless-stopped",
        "healthcheck": {
            "test": ["CMD", "curl", "-sf", f"http://127.0.0.1:{_INSIDE}/health"],
            "interval": "5s",
            "retries": -(-patience // 5),
        },
        "deploy": {
            "resources": {
                "reservations": {
                    "devices": [
                        {
                            "driver": "nvidia",
                            "device_ids": numbers(server.devices),
                            "capabilities": ["gpu"],
                        }
                    ]
                }
            }
        },
    }
    if os.path.isabs(path):
        source = _escaped(path)
        service["volumes"] = [
            {"type": "bind", "source": source, "target": source, "read_only": True}
        ]
    if server.after:
        service["depends_on"] = {
            slug_of[name]: {"condition": "service_healthy"} for name in server.after
        }
    return service


def _escaped(text: str) -> str:
    """A text escaped so that compose expands no variables in it."""
    return text.replace("$", "$$")
