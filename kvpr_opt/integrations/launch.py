"""What has to run where: the servers of a placement, their memory, and their start order.

This is all that a target sees of a fleet. Memory is in bytes.

The free memory F of a GPU is shared out by pressure, ``KV_i = floor_i + F n_i / N``, so that
each server on it has the same KV memory for each unit of demand, 1 / KVPR. A server that
is spread over several GPUs has the same cache on each of them, the smallest of its shares; the
rest of its other shares goes to the servers there (max-min fairness by progressive filling,
Bertsekas and Gallager, Data Networks, 1992, section 6.5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown


@dataclass(frozen=True)
class Device:
    """A GPU as seen by a server.

    Attributes
    ----------
    name
        In the fleet.
    memory, usable
        Total bytes, and those that are not reserved for something else.
    node
        Its machine; ``None`` in a fleet without nodes, which is one machine.
    number
        The driver's index for it on its machine.
    uuid
        The driver's UUID for it.
    """

    name: str
    memory: Fraction
    usable: Fraction
    node: str | None = None
    number: int | None = None
    uuid: str | None = None


@dataclass(frozen=True)
class ServerNeeds:
    """One process to start: a model, or a replica of one, on one GPU or several.

    Attributes
    ----------
    name
        Unique.
    model
        The name that clients request; replicas share it.
    devices
        Positions of its GPUs, one per shard.
    weights, overhead, kv_floor
        Bytes on each of them.
    pressure
        On each of them.
    path
        The folder or model name that the engine loads.
    max_tokens
        The longest sequence, if known.
    """

    name: str
    model: str
    devices: tuple[int, ...]
    weights: Fraction
    overhead: Fraction
    kv_floor: Fraction
    pressure: Fraction
    path: str
    max_tokens: int | None = None


@dataclass(frozen=True)
class Server:
    """One process to start, with its memory and its place in the order.

    Attributes
    ----------
    needs
        What it needs to run.
    devices
        Its GPUs.
    kv_cache
        Bytes of KV cache on each of them.
    after
        Names of the servers that must be up before it starts: the previous one on each of
        its GPUs. An engine measures free memory as it starts, so two on one GPU must not
        start at the same time.
    """

    needs: ServerNeeds
    devices: tuple[Device, ...]
    kv_cache: int
    after: tuple[str, ...]

    @property
    def name(self) -> str:
        """Unique among the servers."""
        return self.needs.name

    @property
    def node(self) -> str | None:
        """The machine that it runs on."""
        return self.devices[0].node

    @property
    def share(self) -> Fraction:
        """The smallest share of memory that weights and cache take on any of its GPUs.

        An engine checks for this much free memory when it starts. What it has allocated by
        then is part of the overhead, which is left out.
        """
        taken = self.needs.weights + self.kv_cache
        return min(taken / device.memory for device in self.devices)


@dataclass(frozen=True)
class Launch:
    """All servers, in an order in which they can be started one by one.

    Attributes
    ----------
    remarks
        Header lines for the files generated from it.
    """

    servers: tuple[Server, ...]
    remarks: tuple[str, ...] = ()


def launch(
    devices: Sequence[Device], servers: Sequence[ServerNeeds], remarks: Sequence[str] = ()
) -> Launch:
    """Divide the memory among the servers and find a start order.

    On each GPU larger servers start first. Servers that wait for fewer others come first, so
    that GPUs fill in parallel.

    Raises
    ------
    InputError
        If a GPU is overfull, or full and under pressure, a server is spread over machines, or
        a server gets no KV cache: no engine could start.
    """
    for server in servers:
        if len({devices[gpu].node for gpu in server.devices}) > 1:
            raise InputError(f"server {shown(server.name)} is spread over several machines")
    caches = [int(cache) for cache in _caches(devices, servers)]
    for server, cache in zip(servers, caches, strict=True):
        if cache == 0:
            raise InputError(
                f"server {shown(server.name)} gets no KV memory, since it has neither pressure nor "
                "a kv_floor; give it a kv_floor, which is what an engine needs to start"
            )

    def total(index: int) -> Fraction:
        return (servers[index].weights + caches[index]) * len(servers[index].devices)

    last_on: dict[int, str] = {}
    waits: dict[str, int] = {}
    started = []
    for index in sorted(range(len(servers)), key=lambda index: -total(index)):
        needs = servers[index]
        before = dict.fromkeys(last_on[gpu] for gpu in needs.devices if gpu in last_on)
        own = tuple(devices[gpu] for gpu in needs.devices)
        started.append(Server(needs, own, caches[index], tuple(before)))
        waits[needs.name] = 1 + max((waits[name] for name in before), default=-1)
        last_on.update(dict.fromkeys(needs.devices, needs.name))
    started.sort(key=lambda server: waits[server.name])
    return Launch(tuple(started), tuple(remarks))


def _caches(devices: Sequence[Device], servers: Sequence[ServerNeeds]) -> list[Fraction]:
    """KV cache of each server, on each of its GPUs."""
    free = _free(devices, servers)
    caches = [server.kv_floor for server in servers]
    waiting = {index for index, server in enumerate(servers) if server.pressure > 0}
    while waiting:
        pressure: dict[int, Fraction] = {}
        for index in waiting:
            for gpu in servers[index].devices:
                pressure[gpu] = pressure.get(gpu, Fraction(0)) + servers[index].pressure
        # The GPU with the least memory per unit of demand fixes the shares of its servers.
        scarce = min(pressure, key=lambda gpu: (free[gpu] / pressure[gpu], gpu))
        rate = free[scarce] / pressure[scarce]
        for index in sorted(waiting):
            if scarce not in servers[index].devices:
                continue
            more = rate * servers[index].pressure
            caches[index] += more
            for gpu in servers[index].devices:
                free[gpu] -= more
            waiting.remove(index)
    return caches


def _free(devices: Sequence[Device], servers: Sequence[ServerNeeds]) -> list[Fraction]:
    """Memory of each GPU beyond weights, overheads and floors."""
    free = [device.usable for device in devices]
    pressed = set()
    for server in servers:
        for gpu in server.devices:
            free[gpu] -= server.weights + server.overhead + server.kv_floor
            if server.pressure > 0:
                pressed.add(gpu)
    for gpu, rest in enumerate(free):
        if rest < 0:
            raise InputError(
                f"GPU {shown(devices[gpu].name)}: weights, overheads and KV floors take "
                f"{float(-rest):.4g} bytes more than it has"
            )
        if rest == 0 and gpu in pressed:
            raise InputError(
                f"GPU {shown(devices[gpu].name)} is full and under pressure: its KVPR is infinite"
            )
    return free
