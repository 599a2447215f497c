"""Every source takes its own files and none of the others, and never breaks on any text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.sources import (
    kubernetes_nodes,
    kubernetes_slices,
    nvidia_smi,
    prometheus_answer,
    rates_table,
    request_trace,
    template,
)
from kvpr_opt.integrations.sources.protocol import Reading
from kvpr_opt.integrations.sources.registry import DEMAND_SOURCES, GPU_SOURCES, recognised

#: A file of each source.
SAMPLES: dict[Any, str] = {
    nvidia_smi: "index, uuid, name, memory.total [MiB], memory.used [MiB]\n"
    "0, GPU-1, NVIDIA L4, 23034 MiB, 0 MiB\n",
    kubernetes_nodes: json.dumps(
        {
            "kind": "Node",
            "metadata": {
                "name": "n",
                "labels": {
                    "nvidia.com/gpu.count": "1",
                    "nvidia.com/gpu.memory": "23034",
                    "nvidia.com/gpu.product": "NVIDIA-L4",
                },
            },
        }
    ),
    kubernetes_slices: json.dumps(
        {
            "kind": "ResourceSlice",
            "spec": {
                "driver": "gpu.nvidia.com",
                "nodeName": "n",
                "devices": [
                    {
                        "name": "gpu-0",
                        "attributes": {
                            "type": {"string": "gpu"},
                            "uuid": {"string": "GPU-1"},
                            "productName": {"string": "NVIDIA L4"},
                        },
                        "capacity": {"memory": {"value": "23034Mi"}},
                    }
                ],
            },
        }
    ),
    prometheus_answer: json.dumps(
        {
            "status": "success",
            "data": {
                "resultType": "vector",
                "result": [{"metric": {"model_name": "a"}, "value": [0, "1"]}],
            },
        }
    ),
    rates_table: "model,req_rate\na,1\n",
    request_trace: "time,model\n1,a\n2,a\n",
    template: "# model and requests a second\na 1\n",
}


@pytest.mark.parametrize("source", SAMPLES, ids=lambda source: source.__name__.rsplit(".", 1)[1])
def test_a_source_takes_its_own_files_and_no_others(source: Any) -> None:
    assert source.NAME
    for owner, text in SAMPLES.items():
        assert source.recognises(text) == (owner is source)
    assert not source.recognises("")
    records = (
        source.gpus(SAMPLES[source], "n")
        if hasattr(source, "gpus")
        else source.demands(SAMPLES[source], Reading())
    )
    assert len(records) == 1
    assert records[0].origin


def test_every_source_has_a_sample_and_is_found_by_its_files() -> None:
    assert {*GPU_SOURCES, *DEMAND_SOURCES, template} == set(SAMPLES)
    for sources in (GPU_SOURCES, DEMAND_SOURCES):
        for source in sources:
            assert recognised(sources, SAMPLES[source], "f") is source  # type: ignore[misc]
    with pytest.raises(
        InputError, match="f: not a format that can be read; known: answer of Prometheus"
    ):
        recognised(DEMAND_SOURCES, "<html>", "f")


@pytest.mark.parametrize("source", SAMPLES, ids=lambda source: source.__name__.rsplit(".", 1)[1])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_read_or_refused_in_one_line(source: Any, data: st.DataObject) -> None:
    sample = SAMPLES[source]
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, len(sample)))
    text = sample[:start] + data.draw(st.text('{}[]",:0a-\n \x00.é', max_size=4)) + sample[end:]
    assert "\n" not in refusal(source, text)


def refusal(source: Any, text: str) -> str:
    """What a source has against a text; nothing, if it reads it."""
    try:
        source.gpus(text, "n") if hasattr(source, "gpus") else source.demands(text, Reading())
    except InputError as error:
        return str(error)
    return ""
