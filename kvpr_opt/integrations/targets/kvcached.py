"""Configuration for the controller of kvcached, one file per machine.

Servers on one GPU share its free memory on demand, so no cache sizes are set: here the KVPR
is literally the pressure on the memory that is left.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from kvpr_opt.integrations.launch import Launch, Server
from kvpr_opt.integrations.targets.common import (
    HOST,
    PORT,
    by_node,
    comment,
    dumped,
    file_name,
    one_line_name,
    ports,
    visible_devices,
)
from kvpr_opt.integrations.targets.protocol import Setting

NAME = "kvcached"
STACK = "the controller of kvcached, with the vLLM that it patches"
SETTINGS = {
    "port": PORT,
    "host": HOST,
    "venv": Setting("./venv", "virtual environment with vLLM and kvcached"),
    "router_port": Setting("8080", "port of the controller's router"),
}


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One configuration per machine."""
    groups = by_node(plan)
    port_of = ports(plan, settings)
    found = {}
    for node, servers in groups.items():
        usable = min(
            device.usable / device.memory for server in servers for device in server.devices
        )
        document = {
            "kvcached": {"kvcached_gpu_utilization": int(usable * 1000) / 1000},
            "router": {
                "enable_router": True,
                "router_host": settings["host"],
                "router_port": int(settings["router_port"]),
            },
            "instances": [_instance(server, port_of[server.name], settings) for server in servers],
        }
        header = comment(plan.remarks, STACK)
        found[file_name("kvcached", ".yaml", node, groups)] = header + dumped(document)
    return found


def _instance(server: Server, port: int, settings: Mapping[str, str]) -> dict[str, Any]:
    arguments = [f"--host={settings['host']}", f"--port={port}"]
    arguments += [f"--served-model-name={server.needs.model}", "--no-enable-prefix-caching"]
    if len(server.devices) > 1:
        arguments.append(f"--tensor-parallel-size={len(server.devices)}")
    if server.needs.max_tokens is not None:
        arguments.append(f"--max-model-len={server.needs.max_tokens}")
    return {
        "name": one_line_name(server.name),
        "model": one_line_name(server.needs.path),
        "engine": "vllm",
        "using_venv": True,
        "venv_path": settings["venv"],
        "kvcached_env": ["ENABLE_KVCACHED=true", "KVCACHED_AUTOPATCH=1"],
        "engine_env": [f"{key}={text}" for key, text in visible_devices(server).items()],
        # Each is split like a shell command line.
        "engine_args": [shlex.quote(one_line_name(argument)) for argument in arguments],
    }
