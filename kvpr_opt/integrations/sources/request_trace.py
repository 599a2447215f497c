"""A trace with one request per row: time and model, and tokens if known.

The rate of a model is its mean over the whole trace, or its highest over any window of a
given length. The column names are those in common use: ``time`` or ``TIMESTAMP``, ``model``,
``prompt_tokens``, ``input_tokens`` or ``ContextTokens``, ``output_tokens`` or
``GeneratedTokens``; ``latency`` in seconds. Other columns are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.csv_table import csv_table
from kvpr_opt.files.fields import amount
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.records import Demand, measured
from kvpr_opt.integrations.sources.protocol import Reading
from kvpr_opt.problem.exact import decimal_text, to_fraction

NAME = "trace of requests"

_COLUMNS = {
    "time": ("time", "timestamp"),
    "model": ("model", "model_name"),
    "prompt_tokens": ("prompt_tokens", "input_tokens", "contexttokens"),
    "output_tokens": ("output_tokens", "generatedtokens"),
    "latency": ("latency",),
}

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})?", re.ASCII
)


def recognises(text: str) -> bool:
    """Whether the header has a time column and no rate column."""
    head = {cell.strip().lower() for cell in text.lstrip("\n").partition("\n")[0].split(",")}
    return not head.isdisjoint(_COLUMNS["time"]) and "req_rate" not in head


@dataclass
class _Requests:
    """The requests of one model."""

    times: list[Fraction] = field(default_factory=list)
    totals: dict[str, Fraction] = field(default_factory=dict)


def demands(text: str, reading: Reading) -> tuple[Demand, ...]:
    """Rates by model, in the order in which the models first appear."""
    table = csv_table(text)
    columns = _columns(table.columns)
    requests: dict[str, _Requests] = {}
    for number, values in table.rows:
        place = f"row {number}"
        cells = {ours: values.get(theirs, "") for ours, theirs in columns.items()}
        if not cells["model"].strip():
            raise InputError("no model", place=place)
        own = requests.setdefault(cells.pop("model").strip(), _Requests())
        own.times.append(seconds(cells.pop("time"), f"{place}: {columns['time']}"))
        for quantity, cell in cells.items():
            value = amount(cell, f"{place}: {columns[quantity]}")
            own.totals[quantity] = own.totals.get(quantity, Fraction(0)) + value
    times = [time for own in requests.values() for time in own.times]
    span = max(times) - min(times) if times else Fraction(0)
    if span == 0:
        raise InputError("a rate needs at least two requests at different times")
    return tuple(_demand(model, own, span, reading) for model, own in requests.items())


def _columns(present: Sequence[str]) -> dict[str, str]:
    lower = {column.lower(): column for column in present}
    found = {
        ours: lower[name] for ours, names in _COLUMNS.items() for name in names if name in lower
    }
    for column in ("time", "model"):
        if column not in found:
            raise InputError(
                f"no column {column!r}; a request needs a time, and the name of a model as the "
                "fleet has it",
                place="row 1",
            )
    return found


def _demand(model: str, own: _Requests, span: Fraction, reading: Reading) -> Demand:
    number = len(own.times)
    if reading.peak_window is None:
        rate = Fraction(number) / span
        origin = f"trace: {number} requests, mean of {float(span):g} s"
    else:
        window = reading.peak_window
        rate = Fraction(most_within(own.times, window)) / window
        origin = f"trace: {number} requests, peak of {decimal_text(window)} s"
    means = {quantity: measured(total / number) for quantity, total in own.totals.items()}
    return Demand(model, origin, req_rate=measured(rate), **means)


def most_within(times: Sequence[Fraction], window: Fraction) -> int:
    """The largest number of times within any half-open interval as long as the window."""
    ordered = sorted(times)
    most = first = 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def seconds(text: str, place: str = "") -> Fraction:
    """A point in time, in seconds: a number, or a date and time (UTC if no zone is given).

    Raises
    ------
    InputError
        If it is neither.
    """
    match = _ISO.fullmatch(text.strip())
    if match:
        zone = (match[4] or "Z").replace("Z", "+00:00")
        try:
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
        except ValueError:
            moment = None
        if moment is not None:
            whole = int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())
            return whole + Fraction(f"0{match[3] or '.0'}")
    try:
        return to_fraction(text.strip())
    except InputError:
        raise InputError(
            f"{shown(text)} is not a time; allowed: seconds, or 2026-11-28 19:00:00.5",
            place=place,
        ) from None
