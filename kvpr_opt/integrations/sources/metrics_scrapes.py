"""The rates of each model, from two scrapes of a server's ``/metrics`` and the time between them.

A scrape holds totals since the server started, so two are needed. The text format is that of
Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.records import Demand, measured
from kvpr_opt.problem.exact import to_fraction

NAME = "two scrapes of /metrics"

_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"(?:\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?"
    r"\s+(?P<value>\S+)(?:\s+-?\d+)?\s*",
    re.ASCII,
)
_LABEL = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*\"((?:[^\"\\]|\\.)*)\"\s*,?", re.ASCII)
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True)
class Names:
    """The names under which one engine reports the totals that we read."""

    requests: str
    prompt_tokens: str
    output_tokens: str
    latency: str


#: By engine: vLLM 0.32, SGLang 0.5.23.
ENGINES = {
    "vLLM": Names(
        "vllm:request_success_total",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:e2e_request_latency_seconds",
    ),
    "SGLang": Names(
        "sglang:num_requests_total",
        "sglang:prompt_tokens_total",
        "sglang:generation_tokens_total",
        "sglang:e2e_request_latency_seconds",
    ),
}

#: Totals by metric, model and the rest of the labels.
_Totals = dict[tuple[str, str, str], Fraction]


@dataclass(frozen=True)
class Scrape:
    """The text of one scrape, its time in seconds, and the file that it comes from."""

    text: str
    time: Fraction
    source: str


def demands(first: Scrape, second: Scrape) -> tuple[Demand, ...]:
    """The demand for each model between two scrapes of the same server.

    Raises
    ------
    InputError
        If a text is not a scrape, the second is not the later one, or a total has fallen
        because the server was restarted in between.
    """
    seconds = second.time - first.time
    if seconds <= 0:
        raise InputError(
            f"its time is not after that of {first.source}: {_plain(seconds)} s",
            source=second.source,
        )
    before, after = _totals(first), _totals(second)
    for series, total in before.items():
        if after.get(series, Fraction(-1)) < total:
            raise InputError(
                f"{series[0]} of model {shown(series[1])} is less than in {first.source}; the "
                "server was started anew in between",
                source=second.source,
            )
    growth: dict[tuple[str, str], Fraction] = {}
    for series, total in after.items():
        key = series[:2]
        growth[key] = growth.get(key, Fraction(0)) + total - before.get(series, Fraction(0))
    found = []
    for engine, names in ENGINES.items():
        models = dict.fromkeys(model for name, model in growth if name == names.requests)
        found += [_demand(model, engine, names, growth, seconds) for model in models]
    if not found:
        wanted = " nor ".join(names.requests for names in ENGINES.values())
        raise InputError(f"neither {wanted} in it, with a label model_name", source=second.source)
    return tuple(found)


def _demand(
    model: str,
    engine: str,
    names: Names,
    growth: dict[tuple[str, str], Fraction],
    seconds: Fraction,
) -> Demand:
    requests = growth[names.requests, model]

    def mean(name: str, count: Fraction | None) -> Fraction | None:
        total = growth.get((name, model))
        return measured(total / count) if total is not None and count else None

    timed = growth.get((f"{names.latency}_count", model))
    return Demand(
        model,
        f"{engine}: {_plain(requests)} requests in {_plain(seconds)} s",
        req_rate=measured(requests / seconds),
        prompt_tokens=mean(names.prompt_tokens, requests),
        output_tokens=mean(names.output_tokens, requests),
        latency=mean(f"{names.latency}_sum", timed),
    )


def _totals(scrape: Scrape) -> _Totals:
    wanted = {
        name
        for names in ENGINES.values()
        for name in (
            names.requests,
            names.prompt_tokens,
            names.output_tokens,
            f"{names.latency}_sum",
            f"{names.latency}_count",
        )
    }
    totals: _Totals = {}
    for number, line in enumerate(scrape.text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"line {number}"
        match = _SAMPLE.fullmatch(line.strip())
        if not match:
            raise InputError(
                f"{shown(line.strip())} is not a sample of Prometheus' text format",
                place=place,
                source=scrape.source,
            )
        if match["name"] not in wanted:
            continue
        labels = {name: _unescaped(value) for name, value in _LABEL.findall(match["labels"] or "")}
        model = labels.pop("model_name", None)
        if model is None:
            continue
        series = match["name"], model, repr(sorted(labels.items()))
        if series in totals:
            raise InputError("a second sample of one series", place=place, source=scrape.source)
        totals[series] = _value(match["value"], place, scrape.source)
    return totals


def _value(text: str, place: str, source: str) -> Fraction:
    try:
        value = to_fraction(text)
    except InputError:
        value = Fraction(-1)
    if value < 0:
        raise InputError(
            f"{shown(text)} is not a finite total of at least 0", place=place, source=source
        )
    return value


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda match: _ESCAPED.get(match[0], match[0]), text)


def _plain(number: Fraction) -> str:
    return f"{float(number):g}"
