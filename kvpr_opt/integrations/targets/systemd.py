"""systemd units, one per server, and a target that starts them all.

A unit is active only once its server is healthy, and starts after the units before it on its
GPUs. If one of those fails, its memory is free again, so the next one may still start; and
restarting a server does not stop those after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kvpr_opt.integrations.launch import Launch, Server
from kvpr_opt.integrations.targets.common import (
    ON_THE_MACHINE,
    VLLM,
    by_node,
    comment,
    file_name,
    one_line_name,
    patience_of,
    ports,
    slugs,
    visible_devices,
    vllm_command,
)
from kvpr_opt.integrations.targets.protocol import Setting

NAME = "systemd"
STACK = f"systemd 252 and {VLLM}"
SETTINGS = {
    **ON_THE_MACHINE,
    "vllm": Setting("/usr/local/bin/vllm", "the program, with its whole path"),
    "curl": Setting("/usr/bin/curl", "curl, with its whole path"),
}


def files(plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
    """The units; with several machines, each machine has its own target."""
    port_of, slug_of = ports(plan, settings), slugs(plan)
    groups = by_node(plan)
    found = {}
    for node, servers in groups.items():
        target = file_name("kvpr", ".target", node, groups)
        units = [_unit(slug_of[server.name]) for server in servers]
        wanted = "".join(f"Wants={unit}\n" for unit in units)
        found[target] = (
            comment(plan.remarks, STACK)
            + f"[Unit]\nDescription=Servers of language models\n{wanted}"
            + "\n[Install]\nWantedBy=multi-user.target\n"
        )
        for server, unit in zip(servers, units, strict=True):
            before = [_unit(slug_of[name]) for name in server.after]
            found[unit] = comment(plan.remarks, STACK) + _service(
                server, before, target, port_of[server.name], settings
            )
    return found


def _unit(slug: str) -> str:
    return f"kvpr-{slug}.service"


def _service(
    server: Server, before: Sequence[str], target: str, port: int, settings: Mapping[str, str]
) -> str:
    patience = patience_of(settings)
    command = vllm_command(server, port, settings, settings["vllm"])
    health = [
        *(settings["curl"], "--silent", "--fail", "--output", "/dev/null"),
        *("--retry", str(patience), "--retry-delay", "1", "--retry-max-time", str(patience)),
        *("--retry-all-errors", f"http://127.0.0.1:{port}/health"),
    ]
    lines = ["[Unit]", f"Description=vLLM: {_escaped(one_line_name(server.name))}"]
    lines += [f"After=network-online.target {' '.join(before)}".rstrip()]
    lines += ["Wants=network-online.target", f"PartOf={target}", "", "[Service]"]
    lines += [
        f"Environment={_quoted(f'{key}={text}')}" for key, text in visible_devices(server).items()
    ]
    lines += [
        f"ExecStart={_command(command)}",
        "# The unit is active, and the next one starts, once the server answers.",
        f"ExecStartPost={_command(health)}",
        f"TimeoutStartSec={patience + 60}",
        "Restart=on-failure",
        "",
        "[Install]",
        f"WantedBy={target}",
    ]
    return "\n".join(lines) + "\n"


def _command(words: Sequence[str]) -> str:
    return " ".join(_quoted(word, dollar=True) for word in words)


def _quoted(word: str, *, dollar: bool = False) -> str:
    """A word quoted for systemd (systemd.service(5), "Command lines")."""
    text = _escaped(one_line_name(word))
    if dollar:
        text = text.replace("$", "$$")
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = text and not set(text) & set(" \t\"'\\;#")
    return text if plain else f'"{text}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
