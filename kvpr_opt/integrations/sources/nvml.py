"""GPUs of this machine, from the vendor's library (NVML).

Needs the extra ``nvml`` (``nvidia-ml-py``) and a driver. MIG devices become GPUs without a
node: a process sees only one of them, so no model can be spread over several.
"""

from __future__ import annotations

from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.records import GPURecord
from kvpr_opt.integrations.sources.nvidia_smi import label_of

NAME = "NVML"


def gpus(node: str, library: Any = None) -> tuple[GPURecord, ...]:
    """The GPUs and MIG devices of this machine.

    Parameters
    ----------
    node
        The name of the machine.
    library
        A module with the functions of ``pynvml``, which is the default.

    Raises
    ------
    InputError
        If the library is not installed, or finds no driver or no GPU.
    """
    nvml = _library() if library is None else library
    try:
        nvml.nvmlInit()
        try:
            devices = [
                nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())
            ]
            found = [
                record
                for index, device in enumerate(devices)
                for record in _records(nvml, device, index, node)
            ]
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        raise InputError(f"the driver answers: {error}", source=NAME) from None
    if not found:
        raise InputError("the driver knows of no GPU", source=NAME)
    return tuple(found)


def _library() -> Any:
    try:
        import pynvml
    except ImportError:
        raise InputError(
            "the module pynvml is not installed; install it with pip install 'kvpr-opt[nvml]'",
            source=NAME,
        ) from None
    return pynvml


def _records(nvml: Any, device: Any, index: int, node: str) -> list[GPURecord]:
    parts = _mig_devices(nvml, device)
    if not parts:
        return [_record(nvml, device, f"{node}-{index}", node, index)]
    return [
        _record(nvml, part, f"{node}-{index}-mig{number}", None, None)
        for number, part in enumerate(parts)
    ]


def _mig_devices(nvml: Any, device: Any) -> list[Any]:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError_NotSupported:  # a GPU that cannot be divided
        return []
    if not current:
        return []
    parts = []
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        try:
            parts.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, number))
        except nvml.NVMLError_NotFound:  # indices can have gaps
            continue
    return parts


def _record(nvml: Any, device: Any, name: str, node: str | None, index: int | None) -> GPURecord:
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    product = _text(nvml.nvmlDeviceGetName(device))
    return GPURecord(
        name=name,
        memory=int(memory.total),
        reserved=int(memory.used),
        node=node,
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(device)),
        labels=(label_of(product), *(("mig",) if node is None else ())),
        origin=f"NVML: {product}, memory in use is reserved",
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
