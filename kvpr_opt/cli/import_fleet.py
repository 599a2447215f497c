"""``kvpr-opt import``: write a fleet file from a running system."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import typer

from kvpr_opt.cli.options import check_suffix
from kvpr_opt.errors import InputError
from kvpr_opt.files import check_writable, read_text, write_text
from kvpr_opt.files.checkpoints.folder import folders, read_checkpoint
from kvpr_opt.integrations.demand import merged
from kvpr_opt.integrations.importing import PerModel, Settings, imported_fleet
from kvpr_opt.integrations.records import Demand, GPURecord
from kvpr_opt.integrations.sources import metrics_scrapes, nvml, request_trace
from kvpr_opt.integrations.sources.protocol import Quantity, Reading
from kvpr_opt.integrations.sources.registry import DEMAND_SOURCES, GPU_SOURCES, recognised
from kvpr_opt.problem.exact import to_fraction
from kvpr_opt.problem.units import Amount, read_amount

_T = TypeVar("_T")

#: Used instead of a file name for the GPUs of this machine.
NVML = "nvml"


def _list(metavar: str, text: str, name: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text)


def command(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="The fleet file; - for stdout.")
    ],
    gpus: Annotated[
        list[str] | None,
        _list(
            "FILE",
            "GPUs: output of nvidia-smi (CSV), of kubectl get nodes or resourceslices (JSON), or "
            "the word nvml. "
            "NODE=FILE names the machine.",
            "--gpus",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        _list("DIR", "A model folder, a folder of them, or NAME=DIR.", "--models"),
    ] = None,
    rates: Annotated[
        list[str] | None,
        _list(
            "FILE",
            "Demand: a saved answer of Prometheus, a CSV model,req_rate, or a trace of requests. "
            "prompt_tokens=FILE, output_tokens=FILE and latency=FILE say what else an answer is.",
            "--rates",
        ),
    ] = None,
    scrapes: Annotated[
        list[str] | None,
        _list("FILE@TIME", "Two scrapes of one server's /metrics, earlier first.", "--scrape"),
    ] = None,
    peak_window: Annotated[
        str | None,
        _list(
            "S", "Of a trace, the highest rate over S seconds; the mean without.", "--peak-window"
        ),
    ] = None,
    slo: Annotated[
        list[str] | None,
        _list("S", "Seconds in which to answer a request, or MODEL=S.", "--slo"),
    ] = None,
    demand: Annotated[
        Literal["rate", "kv"],
        typer.Option("--demand", help="Pressure: rate / slo, or KV memory in use on average."),
    ] = "rate",
    max_model_len: Annotated[
        list[str] | None,
        _list("N", "Longest sequence in tokens, or MODEL=N.", "--max-model-len"),
    ] = None,
    overhead: Annotated[
        list[str] | None,
        _list("GB", "What a server takes beside weights and cache, or MODEL=GB.", "--overhead"),
    ] = None,
) -> None:
    """Write a fleet file from what runs: GPUs, model folders, metrics.

    Each number has a comment that says where it came from.
    """
    check_suffix(".yaml", ".yml", output=output)
    check_writable(output)
    settings = Settings(
        kind=demand,
        slo=_per_model(slo, "--slo", _above_zero),
        max_tokens=_per_model(max_model_len, "--max-model-len", _tokens),
        overhead=_per_model(overhead, "--overhead", _bytes),
    )
    window = None if peak_window is None else _above_zero(peak_window, "--peak-window")
    text = imported_fleet(
        list(_gpus(gpus or ())),
        [
            read_checkpoint(folder, name)
            for given in models or ()
            for name, folder in folders(given)
        ],
        merged([*_rates(rates or (), window), *_scraped(scrapes or ())]),
        settings,
        version("kvpr-opt"),
    )
    write_text(output, text)


def _gpus(files: Sequence[str]) -> Iterator[GPURecord]:
    for given in files:
        node, _, path = given.rpartition("=")
        if path == NVML:
            yield from nvml.gpus(node or platform.node())
            continue
        text = read_text(path)
        source = recognised(GPU_SOURCES, text, path)
        try:
            yield from source.gpus(text, node or Path(path).stem)
        except InputError as error:
            raise error.within(source=path) from None


def _rates(files: Sequence[str], window: Fraction | None) -> Iterator[tuple[str, Demand]]:
    for given in files:
        quantity: Quantity = "req_rate"
        path = given
        for name in get_args(Quantity):
            if given.startswith(f"{name}="):
                quantity, path = name, given.removeprefix(f"{name}=")
        text = read_text(path)
        source = recognised(DEMAND_SOURCES, text, path)
        try:
            found = source.demands(text, Reading(quantity, window))
        except InputError as error:
            raise error.within(source=path) from None
        yield from ((path, demand) for demand in found)


def _scraped(given: Sequence[str]) -> Iterator[tuple[str, Demand]]:
    if len(given) % 2:
        raise InputError(
            "a scrape has totals only, so it takes two of each server", place="--scrape"
        )
    scrapes = [_scrape(one) for one in given]
    for first, second in zip(scrapes[::2], scrapes[1::2], strict=True):
        for demand in metrics_scrapes.demands(first, second):
            yield second.source, demand


def _scrape(given: str) -> metrics_scrapes.Scrape:
    path, _, time = given.rpartition("@")
    if not path:
        raise InputError(f"{given!r} is not FILE@TIME", place="--scrape")
    moment = request_trace.seconds(time, "--scrape")
    return metrics_scrapes.Scrape(read_text(path), moment, path)


def _per_model(
    given: Sequence[str] | None, option: str, value: Callable[[str, str], _T]
) -> PerModel[_T]:
    common: list[_T] = []
    own: dict[str, _T] = {}
    for text in given or ():
        model, equals, number = text.rpartition("=")
        if (equals and model in own) or (not equals and common):
            raise InputError(f"{text!r}: it is given twice", place=option)
        if equals:
            own[model] = value(number, option)
        else:
            common.append(value(number, option))
    return PerModel(common[0] if common else None, own)


def _above_zero(text: str, option: str) -> Fraction:
    try:
        number = to_fraction(text)
    except InputError:
        number = Fraction(0)
    if number <= 0:
        raise InputError(f"{text!r} is not a number of seconds above 0", place=option)
    return number


def _tokens(text: str, option: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) <= 9 or int(text) == 0:
        raise InputError(f"{text!r} is not a number of tokens", place=option)
    return int(text)


def _bytes(text: str, option: str) -> int:
    """The bytes of an amount such as ``3.5``, which is GB, or ``3.5GiB``."""
    try:
        number, unit = read_amount(text, "amount")
    except InputError as error:
        raise error.within(place=option) from None
    size = Amount(number, unit or "GB").in_unit("bytes")
    if size < 0:
        raise InputError(f"{text!r} is below 0", place=option)
    return round(size)
