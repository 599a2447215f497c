"""Writing a fleet so that reading it gives the same fleet again."""

from __future__ import annotations

import json
import os
import re
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
        for records in _records(instance, yaml=False)
    )
    listed = f"[\n{models}\n  ]" if models else "[]"
    return f'{{\n  "gpus": [\n{gpus}\n  ],\n  "models": {listed}\n}}\n'


def _yaml(instance: Instance) -> str:
    gpus, models = (
        "".join(
            "  - {" + ", ".join(f"{key}: {value}" for key, value in record.items()) + "}\n"
            for record in records
        )
        for records in _records(instance, yaml=True)
    )
    return f"gpus:\n{gpus}models:\n{models}" if models else f"gpus:\n{gpus}models: []\n"


def _records(instance: Instance, *, yaml: bool) -> tuple[list[dict[str, str]], ...]:
    """GPUs and models as mappings from key to written value."""
    text = _yaml_text if yaml else _json_text
    return (
        [{"name": text(gpu.name), **_gpu_numbers(gpu)} for gpu in instance.gpus],
        [{"name": text(model.name), **_model_numbers(model)} for model in instance.models],
    )


def _gpu_numbers(gpu: GPU) -> dict[str, str]:
    numbers = {"memory": _number(gpu.memory)}
    if gpu.reserved:
        numbers["reserved"] = _number(gpu.reserved)
    return numbers


def _model_numbers(model: LLM) -> dict[str, str]:
    numbers = {"size": _number(model.size)}
    if model.req_rate is None or model.slo is None:
        numbers["pressure"] = _number(model.pressure)
    else:
        numbers |= {"req_rate": _number(model.req_rate), "slo": _number(model.slo)}
    return numbers


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
