"""GPUs from nvidia-smi, from the labels of Kubernetes nodes, and from NVML."""

from __future__ import annotations

import json
import types
from typing import Any

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.sources import kubernetes_nodes, kubernetes_slices, nvidia_smi, nvml

SMI = """index, uuid, name, memory.total [MiB], memory.used [MiB]
0, GPU-5e0cbd4d-1c0b-2c4d-8a3a-0a1b2c3d4e5f, NVIDIA H100 80GB HBM3, 81559 MiB, 4 MiB
1, GPU-6e0cbd4d-1c0b-2c4d-8a3a-0a1b2c3d4e5f, Tesla T4, 15360 MiB, 0 MiB
"""


def test_the_table_of_nvidia_smi() -> None:
    assert nvidia_smi.recognises(SMI)
    first, second = nvidia_smi.gpus(SMI, "n0")
    assert (first.name, first.index, first.node) == ("n0-0", 0, "n0")
    assert first.uuid == "GPU-5e0cbd4d-1c0b-2c4d-8a3a-0a1b2c3d4e5f"
    assert (first.memory, first.reserved) == (81559 << 20, 4 << 20)
    assert first.labels == ("H100-80GB-HBM3",)
    assert (second.memory, second.reserved, second.labels) == (15360 << 20, 0, ("Tesla-T4",))


def test_the_order_of_columns_and_their_units_are_as_they_come() -> None:
    text = (
        "memory.used [MiB], memory.total [MiB], name, uuid, index, driver_version\r\n"
        "4, 81559, NVIDIA L4, GPU-1a, 3, 550.1\r\n"
    )
    (gpu,) = nvidia_smi.gpus(text, "n")
    assert (gpu.index, gpu.memory, gpu.reserved) == (3, 81559 << 20, 4 << 20)


def test_what_is_free_says_more_than_what_is_used() -> None:
    text = SMI.replace("[MiB]\n", "[MiB], memory.free [MiB]\n", 1)
    text = text.replace(" 4 MiB\n", " 4 MiB, 81000 MiB\n").replace(
        " 0 MiB\n", " 0 MiB, 15000 MiB\n"
    )
    assert [gpu.reserved >> 20 for gpu in nvidia_smi.gpus(text, "n")] == [559, 360]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("81559 MiB", "[N/A]", r"row 2: memory.total: '\[N/A\]' is not a whole number of MiB"),
        ("4 MiB", "[N/A]", r"row 2: memory.used: '\[N/A\]' is not a whole number of MiB"),
        ("81559 MiB", "81.559 MiB", "row 2: memory.total: '81.559 MiB' is not a whole number"),
        ("81559 MiB", '"81,559 MiB"', "row 2: memory.total: '81,559 MiB' is not a whole number"),
        ("81559 MiB", "81,559 MiB", "row 2: 6 values, the header has 5 columns"),
        ("81559 MiB", "81559 Mio", "row 2: memory.total: '81559 Mio' is not a whole number"),
        ("4 MiB", "81560 MiB", "row 2: more memory is used or free than there is"),
        ("0, GPU", "x, GPU", "row 2: index: 'x' is not a number"),
        ("GPU-5e0cbd4d", "card", "row 2: uuid: 'card.*' is not GPU-"),
        ("GPU-6e", "GPU-5e", "row 3: duplicate uuid GPU-5e"),
        ("memory.used [MiB]", "memory.free [MiB]", "row 1: no column 'memory.used'; .*nvidia-smi"),
    ],
)
def test_a_table_that_is_not_as_expected(old: str, new: str, reason: str) -> None:
    assert old in SMI
    with pytest.raises(InputError, match=reason):
        nvidia_smi.gpus(SMI.replace(old, new), "n")


def test_a_table_in_another_locale_without_a_gpu_or_with_divided_ones() -> None:
    with pytest.raises(InputError, match="row 1: no column"):
        nvidia_smi.gpus(SMI.replace(",", ";"), "n")
    with pytest.raises(InputError, match="no GPU in it"):
        nvidia_smi.gpus(SMI.splitlines()[0], "n")
    divided = SMI.replace("[MiB]\n", "[MiB], mig.mode.current\n", 1).replace(
        "4 MiB", "4 MiB, Enabled"
    )
    divided = divided.replace("0 MiB\n", "0 MiB, [N/A]\n")
    with pytest.raises(InputError, match="row 2: this GPU is divided into MIG devices"):
        nvidia_smi.gpus(divided, "n")


# -- Kubernetes ----------------------------------------------------------------------


def node(name: str, capacity: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    named = {f"nvidia.com/{key.replace('__', '.')}": value for key, value in labels.items()}
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", **named}},
        "status": {"capacity": capacity or {}},
    }


def nodes(*items: dict[str, Any]) -> str:
    return json.dumps({"kind": "List", "items": list(items)})


H100 = {"gpu__count": "2", "gpu__memory": "81559", "gpu__product": "NVIDIA-H100-80GB-HBM3"}


def test_the_labels_of_nodes() -> None:
    text = nodes(node("n0", **H100), node("cpu"), node("n1", **H100, gpu__replicas="4"))
    assert kubernetes_nodes.recognises(text)
    gpus = kubernetes_nodes.gpus(text, "")
    assert [gpu.name for gpu in gpus] == ["n0-0", "n0-1", "n1-0", "n1-1"]
    assert {gpu.memory for gpu in gpus} == {81559 << 20}
    assert [gpu.node for gpu in gpus] == ["n0", "n0", "n1", "n1"]
    assert gpus[0].labels == ("H100-80GB-HBM3",)


def test_mig_devices_have_no_node() -> None:
    single = node(
        "n0",
        mig__strategy="single",
        gpu__count="7",
        gpu__memory="9728",
        gpu__product="NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
    )
    gpus = kubernetes_nodes.gpus(nodes(single), "")
    assert [(gpu.node, gpu.memory) for gpu in gpus] == [(None, 9728 << 20)] * 7
    assert "mig" in gpus[0].labels
    labels = {
        **H100,
        "gpu__count": "4",
        "mig__strategy": "mixed",
        "gpu__replicas": "1",
        "mig-1g.10gb__count": "7",
        "mig-1g.10gb__memory": "9728",
    }
    mixed = node("n1", {"nvidia.com/gpu": "3", "nvidia.com/mig-1g.10gb": "7"}, **labels)
    gpus = kubernetes_nodes.gpus(nodes(mixed), "")
    assert [gpu.node for gpu in gpus] == ["n1"] * 3 + [None] * 7
    assert gpus[3].name == "n1-mig-1g.10gb-0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (nodes(node("n0")), "no node has the label nvidia.com/gpu.count"),
        (
            nodes(node("n0", gpu__count="2", gpu__product="x")),
            r"labels.nvidia.com/gpu.memory: miss",
        ),
        (nodes(node("n0", **{**H100, "gpu__count": "two"})), "'two' is not a finite number"),
        ('{"items": 3}', "items: 3 is not a list"),
        ('{"items": [', "not JSON"),
    ],
)
def test_nodes_that_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        kubernetes_nodes.gpus(text, "")


def slice_of(node: str, *devices: dict[str, Any], driver: str = "gpu.nvidia.com") -> dict[str, Any]:
    return {
        "kind": "ResourceSlice",
        "spec": {"driver": driver, "nodeName": node, "devices": devices},
    }


def offered(name: str, kind: str = "gpu", memory: str = "81559Mi") -> dict[str, Any]:
    attributes = {"type": kind, "uuid": f"GPU-{name}", "productName": "NVIDIA H100 80GB HBM3"}
    return {
        "name": name,
        "attributes": {key: {"string": value} for key, value in attributes.items()},
        "capacity": {"memory": {"value": memory}},
    }


def test_resource_slices() -> None:
    older = offered("gpu-1")
    text = nodes(
        slice_of("n0", offered("gpu-0"), {"name": "gpu-1", "basic": older}),
        slice_of("n0", offered("channel-0"), driver="compute-domain.nvidia.com"),
        slice_of("n1", offered("gpu-0-mig-1g", "mig", "9984Mi"), offered("gpu-9", "vfio")),
    )
    assert kubernetes_slices.recognises(text)
    gpus = kubernetes_slices.gpus(text, "")
    assert [(gpu.name, gpu.node, gpu.uuid) for gpu in gpus] == [
        ("n0-gpu-0", "n0", "GPU-gpu-0"),
        ("n0-gpu-1", "n0", "GPU-gpu-1"),
        ("n1-gpu-0-mig-1g", None, "GPU-gpu-0-mig-1g"),
    ]
    assert [gpu.memory >> 20 for gpu in gpus] == [81559, 81559, 9984]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (nodes(), "no slice of the driver gpu.nvidia.com has a GPU"),
        (
            nodes(slice_of("n0", offered("g", memory="80G"))),
            r"items\[0\].spec.devices\[0\].capacity.memory: '80G' is not an amount of memory",
        ),
        (
            nodes(slice_of("n0", {"name": "g", "attributes": {"type": {"string": "gpu"}}})),
            "attributes.productName: .* is not a mapping",
        ),
    ],
)
def test_resource_slices_that_cannot_be_read(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        kubernetes_slices.gpus(text, "")


# -- NVML ----------------------------------------------------------------------------


def library(*, mig: int = 0, count: int = 1) -> Any:
    """What ``pynvml`` offers, for GPUs of which the first may be divided."""

    class NVMLError(Exception):
        pass

    class NotFound(NVMLError):
        pass

    class NotSupported(NVMLError):
        pass

    def mode(device: str) -> tuple[int, int]:
        if device != "GPU-0":
            raise NotSupported
        return (int(mig > 0), 0)

    def part(device: str, number: int) -> str:
        if number == 1:
            raise NotFound
        return f"MIG-{number}"

    return types.SimpleNamespace(
        NVMLError=NVMLError,
        NVMLError_NotFound=NotFound,
        NVMLError_NotSupported=NotSupported,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: f"GPU-{index}",
        nvmlDeviceGetMigMode=mode,
        nvmlDeviceGetMaxMigDeviceCount=lambda device: mig,
        nvmlDeviceGetMigDeviceHandleByIndex=part,
        nvmlDeviceGetMemoryInfo=lambda device: types.SimpleNamespace(total=100, used=7),
        nvmlDeviceGetName=lambda device: b"NVIDIA L4",
        nvmlDeviceGetUUID=lambda device: device,
    )


def test_the_library_of_the_vendor() -> None:
    (gpu,) = nvml.gpus("here", library())
    assert (gpu.name, gpu.memory, gpu.reserved, gpu.uuid) == ("here-0", 100, 7, "GPU-0")
    assert (gpu.node, gpu.index, gpu.labels) == ("here", 0, ("L4",))
    first, second, third = nvml.gpus("here", library(mig=3, count=2))
    assert (first.name, first.node, first.uuid) == ("here-0-mig0", None, "MIG-0")
    assert second.uuid == "MIG-2"
    assert (third.name, third.node) == ("here-1", "here")


def test_no_gpu_and_no_driver() -> None:
    with pytest.raises(InputError, match="NVML: the driver knows of no GPU"):
        nvml.gpus("here", library(count=0))
    broken = library()

    def fail() -> None:
        raise broken.NVMLError("Driver Not Loaded")

    broken.nvmlInit = fail
    with pytest.raises(InputError, match="NVML: the driver answers: Driver Not Loaded"):
        nvml.gpus("here", broken)
