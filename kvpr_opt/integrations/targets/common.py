"""Helpers shared by several targets: names, GPU numbers, vLLM flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import yaml

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.launch import Device, Launch, Server
from kvpr_opt.integrations.targets.protocol import Setting

#: The vLLM version whose flags are written.
VLLM = "vLLM 0.32"

PORT = Setting("8001", "port of the first server; the others follow")
HOST = Setting("0.0.0.0", "address that the servers listen on")
PATIENCE = Setting("1800", "seconds that a server may take until it is healthy")

#: Settings of targets that start the servers on the machine itself.
ON_THE_MACHINE = {"port": PORT, "host": HOST, "patience": PATIENCE}

_MAX_PORT = 65535

# Shells, init systems and schedulers disagree about all other characters.
_SLUG = re.compile(r"[^a-z0-9]+")
_MAX_SLUG = 52


def comment(remarks: Iterable[str], stack: str) -> str:
    """The header of a file whose comments begin with ``#``."""
    lines = [f"For {stack}. Nothing has been started.", *remarks]
    return "".join(f"# {_one_line(line)}\n" for line in lines)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def slugs(plan: Launch) -> dict[str, str]:
    """A name of lower-case letters, digits and hyphens for each server.

    Raises
    ------
    InputError
        If a name has none of these characters, or two names become equal.
    """
    found: dict[str, str] = {}
    for server in plan.servers:
        slug = _SLUG.sub("-", server.name.lower()).strip("-")
        if not slug or len(slug) > _MAX_SLUG:
            raise InputError(
                f"{shown(server.name)} cannot be the name of a service: it needs 1 to {_MAX_SLUG} "
                "letters or digits; rename the model in the fleet"
            )
        for other, taken in found.items():
            if taken == slug:
                raise InputError(
                    f"{shown(server.name)} and {shown(other)} would both be the service {slug!r}; "
                    "rename one of the models in the fleet"
                )
        found[server.name] = slug
    return found


def one_line_name(name: str) -> str:
    """A name that is safe within a line of text.

    Raises
    ------
    InputError
        If it contains a line break or another unprintable character.
    """
    if not name.isprintable():
        raise InputError(
            f"{shown(name)} has characters that cannot be printed; rename the model in the fleet"
        )
    return name


def by_node(plan: Launch) -> dict[str | None, list[Server]]:
    """The servers of each machine, in the order in which they start.

    Raises
    ------
    InputError
        If there are several machines and a GPU's machine is unknown.
    """
    found: dict[str | None, list[Server]] = {}
    for server in plan.servers:
        found.setdefault(server.node, []).append(server)
    if None in found and len(found) > 1:
        gpu = found[None][0].devices[0].name
        raise InputError(
            f"GPU {shown(gpu)} has no node, others have one; say on which machine it is"
        )
    return found


def file_name(stem: str, suffix: str, node: str | None, nodes: Iterable[str | None]) -> str:
    """The file name for one machine, which includes the machine if there are several."""
    if len(list(nodes)) == 1 or node is None:
        return f"{stem}{suffix}"
    return f"{stem}-{_SLUG.sub('-', node.lower()).strip('-')}{suffix}"


def ports(plan: Launch, settings: Mapping[str, str]) -> dict[str, int]:
    """A port for each server: consecutive ports, starting at the first on each machine."""
    first = whole(settings, "port", _MAX_PORT)
    found = {}
    for servers in by_node(plan).values():
        for number, server in enumerate(servers):
            found[server.name] = first + number
    if found and max(found.values()) > _MAX_PORT:
        raise InputError(f"{first} leaves too few ports for all servers", place="--set port")
    return found


def whole(settings: Mapping[str, str], key: str, most: int) -> int:
    """A setting that is a whole number of at least 1."""
    text = settings[key]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= most):
        raise InputError(f"{text!r} is not a number from 1 to {most}", place=f"--set {key}")
    return int(text)


def patience_of(settings: Mapping[str, str]) -> int:
    """How many seconds a server may take to load before it counts as failed."""
    return whole(settings, "patience", 10**6)


def numbers(devices: Sequence[Device]) -> list[str]:
    """Entries for ``CUDA_VISIBLE_DEVICES``: numbers if all GPUs have one, else UUIDs.

    Raises
    ------
    InputError
        If a GPU has neither.
    """
    if all(device.number is not None for device in devices):
        return [str(device.number) for device in devices]
    for device in devices:
        if device.uuid is None:
            raise InputError(
                f"GPU {shown(device.name)} has neither index nor uuid in the fleet; one is needed"
            )
    return [str(device.uuid) for device in devices]


def visible_devices(server: Server) -> dict[str, str]:
    """Environment that assigns a process its GPUs, numbered as by ``nvidia-smi``."""
    called = ",".join(numbers(server.devices))
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": called}


def vllm_flags(server: Server, port: int | str, host: str) -> list[str]:
    """Arguments of ``vllm serve`` that follow the model.

    The cache size is given in bytes. The memory share is what vLLM requires to be free when
    it starts; it is rounded down, so that all shares of a GPU fit on it.
    """
    flags = ["--served-model-name", server.needs.model, "--host", host, "--port", str(port)]
    if len(server.devices) > 1:
        flags += ["--tensor-parallel-size", str(len(server.devices))]
    flags += ["--gpu-memory-utilization", _share(server.share)]
    flags += ["--kv-cache-memory-bytes", str(server.kv_cache)]
    if server.needs.max_tokens is not None:
        flags += ["--max-model-len", str(server.needs.max_tokens)]
    return flags


def vllm_command(
    server: Server, port: int, settings: Mapping[str, str], program: str = "vllm"
) -> list[str]:
    """The command that starts a server on the machine itself, as words that are not quoted yet."""
    flags = vllm_flags(server, port, settings["host"])
    return [one_line_name(word) for word in (program, "serve", server.needs.path, *flags)]


def _share(share: Fraction) -> str:
    return f"0.{min(9_999, max(1, int(share * 10_000))):04}"


def dumped(document: Any) -> str:
    """A document as YAML: keys in order, long texts on one line, ASCII only."""
    return yaml.safe_dump(document, sort_keys=False, width=1_000_000, allow_unicode=False)
