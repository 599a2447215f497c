"""Plans to write down: a small one, and random ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from kvpr_opt.integrations.launch import Device, Launch, ServerNeeds, launch

GB = Fraction(10**9)

#: Characters that mean something to a shell, a unit file, YAML, compose or a template.
AWKWARD = " '\"$%\\#;&|<>()[]{}*?!~`:,=@^-_./+aé0"


def device(number: int, *, node: str | None = None, memory: Fraction = 80 * GB) -> Device:
    return Device(f"{node}-{number}", memory, memory - GB, node, number, f"GPU-{node}-{number}")


def needs(
    name: str,
    devices: tuple[int, ...],
    weights: int,
    pressure: int,
    *,
    floor: int = 1,
    path: str = "",
    max_tokens: int | None = 8192,
) -> ServerNeeds:
    return ServerNeeds(
        name=name,
        model=name,
        devices=devices,
        weights=weights * GB,
        overhead=3 * GB,
        kv_floor=floor * GB,
        pressure=Fraction(pressure),
        path=path or f"/models/{name}",
        max_tokens=max_tokens,
    )


def small_plan(node: str | None = "n0") -> Launch:
    """Four servers on two GPUs, one of them on both."""
    return launch(
        [device(0, node=node), device(1, node=node)],
        [
            needs("small", (0,), 3, 1),
            needs("big", (0, 1), 20, 3),
            needs("cold", (1,), 6, 0),
            needs("warm", (1,), 16, 1),
        ],
        ["Fleet 0123.", "Highest KVPR 0.5."],
    )


@st.composite
def plans(draw: st.DrawFn, *, names: str = "abc") -> Launch:
    """Servers that fit on a few GPUs of one machine or two; every GPU may have several."""
    devices = []
    for node in range(draw(st.integers(1, 2))):
        for number in range(draw(st.integers(1, 4))):
            memory = draw(st.sampled_from([40, 80])) * GB
            devices.append(device(number, node=f"n{node}", memory=memory))
    room = [gpu.usable for gpu in devices]
    servers: list[ServerNeeds] = []
    for index in range(draw(st.integers(1, 5))):
        model = f"m{index}{draw(st.text(names, max_size=6))}x"
        first = draw(st.integers(0, len(devices) - 1))
        shards = draw(st.sampled_from([1, 1, 1, 2, 4]))
        server = ServerNeeds(
            name=model,
            model=model,
            devices=(),
            weights=Fraction(draw(st.integers(1, 12 * 10**9)), shards),
            overhead=Fraction(draw(st.integers(0, 3 * 10**9))),
            kv_floor=Fraction(draw(st.integers(1, 2 * 10**9))),
            pressure=Fraction(draw(st.integers(0, 40)), 7),
            path=draw(st.sampled_from(["/models/a b$c", "org/name-8B"])),
            max_tokens=draw(st.sampled_from([None, 4096])),
        )
        taken = server.weights + server.overhead + server.kv_floor
        for replica in range(draw(st.integers(1, 2))):
            own = [gpu for gpu, one in enumerate(devices) if one.node == devices[first].node]
            start = own.index(first) + replica
            chosen = tuple(own[(start + shard) % len(own)] for shard in range(shards))
            if len(own) >= shards and all(room[gpu] > taken for gpu in chosen):
                name = model if replica == 0 else f"{model}/r{replica}"
                servers.append(replace(server, name=name, devices=chosen))
                for gpu in chosen:
                    room[gpu] -= taken
    return launch(devices, servers, ["Fleet 0123."])
