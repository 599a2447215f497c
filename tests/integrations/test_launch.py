"""Memory is shared out by pressure and fits; servers of one GPU start one after the other."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from launch_plans import GB, device, needs, plans, small_plan

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.launch import Launch, launch


def test_free_memory_is_shared_by_pressure() -> None:
    # 79 - (10 + 20) weights - 2 * 3 overhead - 2 floors = 41 GB free, for pressures 1 and 3.
    plan = launch([device(0)], [needs("a", (0,), 10, 1), needs("b", (0,), 20, 3)])
    caches = {server.name: server.kv_cache for server in plan.servers}
    assert caches == {"a": GB + 41 * GB / 4, "b": GB + 41 * GB * 3 / 4}


def test_a_server_on_two_gpus_has_the_same_cache_on_both_and_leaves_the_rest_to_others() -> None:
    plan = launch(
        [device(0), device(1)],
        [needs("both", (0, 1), 10, 1), needs("x", (0,), 10, 1), needs("y", (1,), 10, 9)],
    )
    caches = {server.name: server.kv_cache for server in plan.servers}
    # 79 - 20 - 6 - 2 = 51 GB free on each; GPU 1 is pressed by 10 and decides for `both`.
    share = Fraction(51, 10) * GB
    assert caches == {"both": GB + share, "x": GB + 51 * GB - share, "y": GB + 9 * share}


def test_the_order() -> None:
    plan = small_plan()
    after = {server.name: server.after for server in plan.servers}
    assert after["big"] == ()
    assert after["small"] == ("big",)
    assert after["warm"] == ("big",)
    assert after["cold"] == ("warm",)


@given(plans())
@settings(max_examples=60, deadline=None)
def test_every_gpu_holds_what_is_planned_for_it(plan: Launch) -> None:
    used: dict[str, Fraction] = {}
    free_of: dict[str, Fraction] = {}
    started: list[str] = []
    before_on: dict[str, str] = {}
    for server in plan.servers:
        assert set(server.after) <= set(started)
        started.append(server.name)
        own = server.needs
        assert server.kv_cache >= int(own.kv_floor)
        if own.pressure == 0:
            assert server.kv_cache == own.kv_floor
        previous = {before_on[gpu.name] for gpu in server.devices if gpu.name in before_on}
        assert set(server.after) == previous
        for gpu in server.devices:
            before_on[gpu.name] = server.name
            taken = own.weights + own.overhead + server.kv_cache
            used[gpu.name] = used.get(gpu.name, Fraction(0)) + taken
            free_of[gpu.name] = gpu.usable
    for name, taken in used.items():
        assert taken <= free_of[name]
    # Nothing is left where a server with pressure could have taken it.
    for server in plan.servers:
        if server.needs.pressure > 0:
            rest = min(free_of[gpu.name] - used[gpu.name] for gpu in server.devices)
            assert rest < 2 * len(plan.servers)  # bytes lost to rounding


def test_plans_that_cannot_start() -> None:
    with pytest.raises(InputError, match=r"GPU 'None-0': .* take 6e\+09 bytes more than it has"):
        launch([device(0)], [needs("a", (0,), 81, 1)])
    with pytest.raises(InputError, match="GPU 'None-0' is full and under pressure"):
        launch([device(0)], [needs("a", (0,), 75, 1)])
    with pytest.raises(InputError, match="server 'a' gets no KV memory"):
        launch([device(0)], [needs("a", (0,), 10, 0, floor=0)])
    with pytest.raises(InputError, match="server 'a' is spread over several machines"):
        launch([device(0, node="x"), device(0, node="y")], [needs("a", (0, 1), 10, 1)])
