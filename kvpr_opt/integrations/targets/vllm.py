"""A shell script for each machine that starts its servers one after the other on each GPU.

Before it starts a server, it waits until the previous servers on its GPUs are healthy. Servers
on different GPUs start in parallel.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from kvpr_opt.integrations.launch import Launch, Server
from kvpr_opt.integrations.targets.common import (
    ON_THE_MACHINE,
    VLLM,
    by_node,
    comment,
    file_name,
    patience_of,
    ports,
    slugs,
    visible_devices,
    vllm_command,
)

NAME = "vllm"
STACK = VLLM
SETTINGS = ON_THE_MACHINE

_FUNCTIONS = """set -eu

# Wait until a server answers on its port; give up when it ends, or after a while.
wait_for() { # NAME PORT PROCESS
  waited=0
  until curl --silent --fail --output /dev/null "http://127.0.0.1:$2/health"; do
    if ! kill -0 "$3" 2>/dev/null; then
      echo "$1 has ended before it was healthy" >&2
      exit 1
    fi
    if [ "$waited" -ge {patience} ]; then
      echo "$1 is not healthy after {patience} s" >&2
      exit 1
    fi
    sleep 2
    waited=$((waited + 2))
  done
  echo "$1 is healthy on port $2"
}
"""


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """One script per machine."""
    groups = by_node(plan)
    port_of, slug_of = ports(plan, settings), slugs(plan)
    functions = _FUNCTIONS.replace("{patience}", str(patience_of(settings)))
    found = {}
    for node, servers in groups.items():
        parts = ["#!/bin/sh\n" + comment(plan.remarks, STACK) + functions]
        variables = {server.name: slug_of[server.name].replace("-", "_") for server in servers}
        waited: set[str] = set()
        for server in servers:
            for before in server.after:
                if before not in waited:
                    parts.append(_wait(before, port_of[before], variables[before]))
                    waited.add(before)
            parts.append(_start(server, port_of[server.name], variables[server.name], settings))
        parts += [
            _wait(server.name, port_of[server.name], variables[server.name])
            for server in servers
            if server.name not in waited
        ]
        parts.append("wait\n")
        found[file_name("launch", ".sh", node, groups)] = "\n".join(parts)
    return found


def _start(server: Server, port: int, variable: str, settings: Mapping[str, str]) -> str:
    environment = [f"{key}={shlex.quote(text)}" for key, text in visible_devices(server).items()]
    line = " ".join([*environment, *map(shlex.quote, vllm_command(server, port, settings))])
    return f"{line} &\npid_{variable}=$!\n"


def _wait(name: str, port: int, variable: str) -> str:
    return f'wait_for {shlex.quote(name)} {port} "$pid_{variable}"\n'
