"""What has to run where: the servers of a placement, their memory, and the order of starting.

This is all that a target sees of a fleet. Memory is in bytes.

The free memory F of a GPU is shared out by pressure, ``KV_i = floor_i + F n_i / N``, so that
each server on it has the same KV memory for each unit of demand, 1 / KVPR. A server that
is spread over several GPUs has the same cache on each of them, the smallest of its shares; what
it leaves on the others goes to the servers there (max-min fairness by progressive filling,
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
    """A GPU as a server finds it.

    Attributes
    ----------
    name
        In the fleet.
    memory, usable
        Bytes in all, and those that are not reserved for something else.
    node
        Its machine; ``None`` in a fleet without nodes, which is one machine.
    number
        The number by which the driver calls it on its machine.
    uuid
        Or its name for it.
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
        What clients ask for; replicas share it.
    devices
        Positions of its GPUs, one for each shard.
    weights, overhead, kv_floor
        Bytes on each of them.
    pressure
        On each of them.
    path
        What the engine loads: a folder or a name.
    max_tokens
        The longest sequence, where it is known.
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
        Of it.
    devices
        Its GPUs.
    kv_cache
        Bytes of KV cache on each of them.
    after
        Names of the servers that have to be up before it starts: the one before it on each
        of its GPUs. An engine measures the free memory as it starts, so that two on one GPU
        must not start at once.
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
        """The part of its GPUs' memory that it takes, of the one where that is the least."""
        taken = self.needs.weights + self.needs.overhead + self.kv_cache
        return min(taken / device.memory for device in self.devices)


@dataclass(frozen=True)
class Launch:
    """All servers, in an order in which they can be started one by one.

    Attributes
    ----------
    remarks
        What a file that is made of it says at its top.
    """

    servers: tuple[Server, ...]
    remarks: tuple[str, ...] = ()


def launch(
    devices: Sequence[Device], servers: Sequence[ServerNeeds], remarks: Sequence[str] = ()
) -> Launch:
    """Share out the memory, and find an order.

    Larger servers start first, so that the last ones find what is left of a GPU, rather than
    the other way round.

    Raises
    ------
    InputError
        If a GPU is overfull, a server is spread over machines, or one is left without any
        KV cache: no engine starts like that.
    """
    for server in servers:
        if len({devices[gpu].node for gpu in server.devices}) > 1:
            raise InputError(f"server {shown(server.name)} is spread over several machines")
    caches = _caches(devices, servers)
    order = sorted(
        range(len(servers)),
        key=lambda index: -(servers[index].weights + caches[index]) * len(servers[index].devices),
    )
    last_on: dict[int, str] = {}
    started = []
    for index in order:
        needs, cache = servers[index], int(caches[index])
        if cache == 0:
            raise InputError(
                f"server {shown(needs.name)} gets no KV memory, since it has neither pressure nor "
                "a kv_floor; give it a kv_floor, which is what an engine needs to start"
            )
        before = dict.fromkeys(last_on[gpu] for gpu in needs.devices if gpu in last_on)
        own = tuple(devices[gpu] for gpu in needs.devices)
        started.append(Server(needs, own, cache, tuple(before)))
        last_on.update(dict.fromkeys(needs.devices, needs.name))
    return Launch(tuple(started), tuple(remarks))


def _caches(devices: Sequence[Device], servers: Sequence[ServerNeeds]) -> list[Fraction]:
    """KV cache of each server, on each of its GPUs."""
    free = [device.usable for device in devices]
    for server in servers:
        for gpu in server.devices:
            free[gpu] -= server.weights + server.overhead + server.kv_floor
    for gpu, rest in enumerate(free):
        if rest < 0:
            raise InputError(
                f"GPU {shown(devices[gpu].name)}: weights, overheads and KV floors take "
                f"{float(-rest):.4g} bytes more than it has"
            )
    caches = [server.kv_floor for server in servers]
    waiting = {index for index, server in enumerate(servers) if server.pressure > 0}
    while waiting:
        pressure: dict[int, Fraction] = {}
        for index in waiting:
            for gpu in servers[index].devices:
                pressure[gpu] = pressure.get(gpu, Fraction(0)) + servers[index].pressure
        # The GPU with the least memory for a unit of demand settles its servers.
        scarce = min(pressure, key=lambda gpu: (free[gpu] / pressure[gpu], gpu))
        rate = free[scarce] / pressure[scarce]
        for index in sorted(waiting):
            if scarce in servers[index].devices:
                more = rate * servers[index].pressure
                caches[index] += more
                for gpu in servers[index].devices:
                    free[gpu] -= more
                waiting.remove(index)
    return caches
