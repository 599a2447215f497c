"""A source to start from: lines of ``MODEL RATE``. Copy it, then add it to ``registry.py``.

The suite in ``tests/integrations/test_sources.py`` checks this file and every source: it accepts
its own sample and none of the others, gives exact numbers with an origin, and rejects anything
else with a one-line error that names the place.
"""

from __future__ import annotations

from kvpr_opt.errors import InputError
from kvpr_opt.files.fields import amount
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.records import Demand
from kvpr_opt.integrations.sources.protocol import Reading

#: Its name in errors and documents.
NAME = "lines of model and rate"

_FIRST = "# model and requests a second"


def recognises(text: str) -> bool:
    """Whether the text is in this format. Be strict: a wrong guess misreads the numbers."""
    return text.startswith(_FIRST)


def demands(text: str, reading: Reading) -> tuple[Demand, ...]:
    """The demand for each model, each model once."""
    found: dict[str, Demand] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        place = f"line {number}"
        model, _, rate = line.strip().rpartition(" ")
        if not model:
            raise InputError(f"{shown(line)} is not a model and a rate", place=place)
        if model in found:
            raise InputError(f"a second rate of model {shown(model)}", place=place)
        found[model] = Demand(model, NAME, req_rate=amount(rate, place))
    if not found:
        raise InputError("no model in it")
    return tuple(found.values())
