"""A saved answer of Prometheus' ``/api/v1/query``: one number per model.

For vLLM, requests per second over the last hour are the answer to

    sum by (model_name) (rate(vllm:request_success_total[1h]))

and for SGLang to the same with ``sglang:num_requests_total``. The answer does not contain the
query, so the user says what its numbers mean.
"""

from __future__ import annotations

from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.fields import amount
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.files.values import as_list, as_mapping
from kvpr_opt.integrations.records import Demand, measured
from kvpr_opt.integrations.sources.protocol import Reading

NAME = "answer of Prometheus"

_LABELS = ("model_name", "model")


def recognises(text: str) -> bool:
    """Whether the text is a JSON object with a status."""
    return text.lstrip().startswith("{") and '"status"' in text and '"Node"' not in text


def demands(text: str, reading: Reading) -> tuple[Demand, ...]:
    """The number of each model, read as the quantity given by `reading`."""
    answer = as_mapping(json_tree(text), "")
    if answer.get("status") != "success":
        reason = " ".join(str(answer.get(key, "")) for key in ("errorType", "error")).strip()
        raise InputError(f"{shown(answer.get('status'))}: {reason or 'no reason'}", place="status")
    data = as_mapping(answer.get("data", ""), "data")
    if data.get("resultType") != "vector":
        raise InputError(
            f"{shown(data.get('resultType'))} is not 'vector'; ask /api/v1/query, not "
            "query_range, for one number a model",
            place="data.resultType",
        )
    result = as_list(data.get("result", ""), "data.result")
    if not result:
        raise InputError(
            "empty: no series matched, or none had a sample in the window", place="data.result"
        )
    found: dict[str, Fraction] = {}
    for index, entry in enumerate(result):
        place = f"data.result[{index}]"
        model, value = _sample(as_mapping(entry, place), place)
        if model in found:
            raise InputError(
                f"a second series of model {shown(model)}; sum them: sum by (model_name) (...)",
                place=place,
            )
        found[model] = value
    return tuple(
        Demand(model, f"Prometheus ({reading.quantity})", **{reading.quantity: measured(value)})
        for model, value in found.items()
    )


def _sample(entry: dict[str, Tree], place: str) -> tuple[str, Fraction]:
    labels = as_mapping(entry.get("metric", ""), f"{place}.metric")
    name = labels.get("__name__")
    if isinstance(name, str) and name.endswith("_total"):
        raise InputError(
            f"{shown(name)} counts since the server started; ask for rate(...) of it",
            place=f"{place}.metric.__name__",
        )
    models = [labels[label] for label in _LABELS if label in labels]
    if not models or not isinstance(models[0], str):
        raise InputError(
            f"no label {' or '.join(_LABELS)}; ask for sum by (model_name) (...)",
            place=f"{place}.metric",
        )
    value = as_list(entry.get("value", ""), f"{place}.value")
    if len(value) != 2:
        raise InputError("not a time and a number", place=f"{place}.value")
    return models[0], amount(value[1], f"{place}.value of {models[0]}")
