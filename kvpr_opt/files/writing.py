"""Writing a fleet so that reading it gives the same fleet again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.files.source import format_of, label
from kvpr_opt.problem.exact import MAX_DIGITS, decimal_text
from kvpr_opt.problem.instance import GPU, LLM, Instance

# Text that needs no quotes in YAML, but for the words that some readers take for more.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def write_instance(instance: Instance, path: str | os.PathLike[str]) -> None:
    """Write a fleet to a file, exactly: reading it gives an equal fleet.

    Parameters
    ----------
    instance
        The fleet.
    path
        A ``.json``, ``.yaml`` or ``.yml`` file; ``-`` for JSON on standard output.

    Raises
    ------
    InputError
        If the suffix is another, or the file cannot be written.
    """
    file_format = format_of(path)
    if file_format == "csv":
        raise InputError("a fleet is written as .json, .yaml or .yml", source=label(path))
    write_text(path, _yaml(instance) if file_format == "yaml" else instance_json(instance))


def instance_json(instance: Instance) -> str:
    """The text of a fleet as a JSON file, exactly."""
    gpus, models = (
        ",\n".join(
            "    {" + ", ".join(f'"{key}": {value}' for key, value in record.items()) + "}"
            for record in records
        )
        for records in _records(instance, _json_text)
    )
    listed = f"[\n{models}\n  ]" if models else "[]"
    unit = f'  "unit": {_json_text(instance.unit)},\n' if instance.unit else ""
    return f'{{\n{unit}  "gpus": [\n{gpus}\n  ],\n  "models": {listed}\n}}\n'


def _yaml(instance: Instance) -> str:
    gpus, models = (
        "".join(
            "  - {" + ", ".join(f"{key}: {value}" for key, value in record.items()) + "}\n"
            for record in records
        )
        for records in _records(instance, _yaml_text)
    )
    unit = f"unit: {instance.unit}\n" if instance.unit else ""
    return unit + (f"gpus:\n{gpus}models:\n{models}" if models else f"gpus:\n{gpus}models: []\n")


_Written = Callable[[str], str]


def _records(instance: Instance, text: _Written) -> tuple[list[dict[str, str]], ...]:
    """GPUs and models as mappings from key to written value; what is default is left out."""
    return (
        [_gpu(gpu, text) for gpu in instance.gpus],
        [_model(model, text) for model in instance.declared],
    )


def _gpu(gpu: GPU, text: _Written) -> dict[str, str]:
    record = {"name": text(gpu.name), "memory": _number(gpu.memory)}
    if gpu.reserved:
        record["reserved"] = _number(gpu.reserved)
    record |= {
        key: text(value)
        for key, value in (("node", gpu.node), ("uuid", gpu.uuid), ("type", gpu.type))
        if value is not None
    }
    if gpu.labels:
        record["labels"] = _list(gpu.labels, text)
    if gpu.index is not None:
        record["index"] = str(gpu.index)
    return record


#: Keys of a model that are written where they are not as here.
_DEFAULTS = {"overhead": 0, "kv_floor": 0, "replicas": 1, "shards": 1}


def _model(model: LLM, text: _Written) -> dict[str, str]:
    record = {"name": text(model.name), "size": _number(model.size)}
    if model.demand == "req_rate" and model.req_rate is None:
        record["pressure"] = _number(model.pressure)
    for key in (
        "req_rate", "slo", "overhead", "kv_floor", "kv_demand", "token_rate",
        "kv_bytes_per_token", "tpot_slo", "count", "replicas", "shards", "kv_heads", "kv_share",
        "move_cost",
    ):  # fmt: skip
        value = getattr(model, key)
        if value is not None and value != _DEFAULTS.get(key):
            record[key] = _number(Fraction(value))
    if model.spread != "gpu":
        record["spread"] = text(model.spread)
    for key in ("pin", "only", "never", "apart", "current"):
        names = getattr(model, key)
        if names:
            record[key] = _list(names, text)
    return record


def _list(names: tuple[str, ...], text: _Written) -> str:
    if len(names) == 1:
        return text(names[0])
    return "[" + ", ".join(map(text, names)) + "]"


def _number(number: Fraction) -> str:
    text = decimal_text(number)
    # A decimal that ends may still have more digits than a reader takes.
    if "/" not in text and len(text.replace(".", "").lstrip("0")) > MAX_DIGITS:
        text = f"{number.numerator}/{number.denominator}"
    return f'"{text}"' if "/" in text else text


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _yaml_text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_yaml_character, text)) + '"'


def _yaml_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
