"""From a fleet with shards and replicas and its placement to servers, in bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from checkpoints import model_folder

import kvpr_opt as kv
from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.folder import read_checkpoint
from kvpr_opt.integrations.launch import Launch
from kvpr_opt.integrations.placed import placed
from kvpr_opt.integrations.targets.common import by_node
from kvpr_opt.result import Result

GB = 10**9


@pytest.fixture(scope="module")
def solved() -> Result:
    """A result to put other fleets and placements into."""
    return kv.solve(kv.Instance([kv.GPU("a", 10)], [kv.LLM("m", 1, pressure=1)]), threads=1)


def gpus() -> list[kv.GPU]:
    return [
        kv.GPU(f"g{number}", 80, 2, node="n", index=number + 4, uuid=f"GPU-{number}")
        for number in range(3)
    ]


def models() -> list[kv.LLM]:
    return [
        kv.LLM("big", 60, 4, 1, overhead=3, kv_floor=1, shards=2, kv_heads=8),
        kv.LLM("llama", 16, 6, 1, overhead=3, kv_floor=1, replicas=2),
        kv.LLM("cold", 3, pressure=0, overhead=1, kv_floor=2),
    ]


def plan(solved: Result, places: list[int], instance: kv.Instance | None = None) -> Launch:
    instance = instance or kv.Instance(gpus(), models(), unit="GB")
    result = replace(solved, instance=instance, placement=kv.Placement(instance, places))
    return placed(result, version="1.0")


def test_shards_are_one_server_and_replicas_several(solved: Result) -> None:
    servers = {server.name: server for server in plan(solved, [1, 2, 0, 1, 0]).servers}
    assert set(servers) == {"big", "llama/r0", "llama/r1", "cold"}
    big = servers["big"]
    assert [gpu.number for gpu in big.devices] == [5, 6]
    assert [gpu.uuid for gpu in big.devices] == ["GPU-1", "GPU-2"]
    assert (big.needs.weights, big.needs.overhead) == (30 * GB, 3 * GB)
    assert big.needs.pressure == 2
    assert [servers[f"llama/r{number}"].needs.model for number in (0, 1)] == ["llama", "llama"]
    assert servers["llama/r1"].devices[0].name == "g1"
    assert servers["llama/r1"].after == ("big",)
    # GPU g1: 78 - 34 - 20 = 24 GB free for pressures 2 and 3; g2 has more for `big`.
    assert servers["llama/r1"].kv_cache == GB + 24 * GB * Fraction(3, 5)
    assert big.kv_cache == GB + 24 * GB * Fraction(2, 5)


def test_the_head_says_what_it_is_from(solved: Result) -> None:
    remarks = plan(solved, [1, 2, 0, 1, 0]).remarks
    assert remarks[0].startswith("Written by kvpr-opt 1.0 from the fleet with the digest ")
    assert len(remarks[0].rstrip(".").rpartition(" ")[2]) == 64
    assert remarks[1].startswith("Highest KVPR 0.208333; no placement is below ")
    assert len(remarks) == 2


def test_a_folder_says_what_is_loaded_and_how_long_a_sequence_may_be(
    solved: Result, tmp_path: Path
) -> None:
    folder = read_checkpoint(model_folder(tmp_path, "Llama-3.1-8B"), "llama")
    floor = Fraction(folder.kv_cache.floor(4096), GB)
    instance = kv.Instance(gpus(), [kv.LLM("llama", 16, 6, 1, kv_floor=floor)], unit="GB")
    result = replace(solved, instance=instance, placement=kv.Placement(instance, [0]))
    (server,) = placed(result, [folder], version="1").servers
    assert (server.needs.path, server.needs.max_tokens) == (folder.folder, 4096)
    (server,) = placed(result, version="1").servers
    assert (server.needs.path, server.needs.max_tokens) == ("llama", None)


def test_gpus_without_names_of_the_driver_are_counted_on_each_node(solved: Result) -> None:
    unnamed = [kv.GPU(name, 80, node=node) for name, node in (("a", "x"), ("b", "y"), ("c", "x"))]
    three = [kv.LLM(f"m{index}", 9, pressure=1) for index in range(3)]
    instance = kv.Instance(unnamed, three, unit="GB")
    found = plan(solved, [0, 1, 2], instance)
    numbers = {server.devices[0].name: server.devices[0].number for server in found.servers}
    assert numbers == {"a": 0, "b": 0, "c": 1}
    assert any("numbered as they stand" in remark for remark in found.remarks)
    assert any("3 models have no overhead" in remark for remark in found.remarks)


def test_gpus_without_a_node_are_on_the_one_machine_or_nowhere(solved: Result) -> None:
    two = [kv.LLM(f"m{index}", 9, pressure=1, overhead=1) for index in range(2)]

    def nodes(*given: str | None) -> set[str | None]:
        own = [kv.GPU(f"g{i}", 80, node=node, index=i) for i, node in enumerate(given)]
        found = plan(solved, [0, 1], kv.Instance(own, two, unit="GB"))
        return set(by_node(found))

    assert nodes("x", None) == {"x"}
    assert nodes(None, None) == {None}
    assert nodes("x", "y", None) == {"x", "y"}
    with pytest.raises(InputError, match="GPU 'g0' has no node, others have one"):
        nodes(None, "x", "y")


def test_a_full_gpu_under_pressure(solved: Result) -> None:
    full = kv.Instance([kv.GPU("a", 9)], [kv.LLM("m", 8, pressure=1, kv_floor=1)], unit="GB")
    with pytest.raises(InputError, match="GPU 'a' is full and under pressure"):
        plan(solved, [0], full)
