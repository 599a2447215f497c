"""A CSV file with one model per row: ``model,req_rate[,prompt_tokens,output_tokens,latency]``.

The values are requests per second, average tokens per request, and average seconds in the
server. Other columns are ignored.
"""

from __future__ import annotations

from kvpr_opt.errors import InputError
from kvpr_opt.files.csv_table import csv_table
from kvpr_opt.files.fields import amount
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.records import Demand
from kvpr_opt.integrations.sources.protocol import Reading

NAME = "table of rates"

_COLUMNS = ("req_rate", "prompt_tokens", "output_tokens", "latency")


def recognises(text: str) -> bool:
    """Whether the header has the columns model and req_rate."""
    head = [cell.strip() for cell in text.lstrip("\n").partition("\n")[0].split(",")]
    return "model" in head and "req_rate" in head


def demands(text: str, reading: Reading) -> tuple[Demand, ...]:
    """The rows of the table."""
    table = csv_table(text)
    found: dict[str, Demand] = {}
    for number, values in table.rows:
        place = f"row {number}"
        model = values.get("model", "").strip()
        if not model or "req_rate" not in values:
            raise InputError("a row needs model and req_rate", place=place)
        if model in found:
            raise InputError(f"a second row of model {shown(model)}", place=place)
        numbers = {
            column: amount(values[column], f"{place}: {column}")
            for column in _COLUMNS
            if column in values
        }
        found[model] = Demand(model, "table of rates", **numbers)
    if not found:
        raise InputError("no row below the header")
    return tuple(found.values())
