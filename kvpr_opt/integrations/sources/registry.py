"""All sources, and which of them can read a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.sources import (
    kubernetes_nodes,
    kubernetes_slices,
    nvidia_smi,
    prometheus_answer,
    rates_table,
    request_trace,
)
from kvpr_opt.integrations.sources.protocol import DemandSource, GPUSource

#: A new source is one file beside these and one entry here.
GPU_SOURCES: tuple[GPUSource, ...] = (kubernetes_nodes, kubernetes_slices, nvidia_smi)
DEMAND_SOURCES: tuple[DemandSource, ...] = (prometheus_answer, rates_table, request_trace)

_Source = TypeVar("_Source", GPUSource, DemandSource)


def recognised(sources: Sequence[_Source], text: str, path: str) -> _Source:
    """The one source that can read a file.

    Raises
    ------
    InputError
        If there is none.
    """
    for source in sources:
        if source.recognises(text):
            return source
    known = ", ".join(source.NAME for source in sources)
    raise InputError(f"not a format that can be read; known: {known}", source=path)
