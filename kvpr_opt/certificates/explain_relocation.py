"""The argument of a claim about a budget of moves in words, for a reader who wants to follow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kvpr_opt.problem.exact import decimal_text, read_fraction
from kvpr_opt.verify import RELOCATION_SCHEMA


def is_relocation(data: object) -> bool:
    """Whether plain data is such a claim, and no certificate of a run."""
    return isinstance(data, Mapping) and data.get("schema") == RELOCATION_SCHEMA


def explain_relocation(data: Mapping[str, Any]) -> str:
    """Say why the bounds of a claim hold, that is, of one that the checker has accepted.

    Parameters
    ----------
    data
        The claim, as in its file.
    """
    parts = ["\n".join(_bound(bound, data["budget"])) for bound in data["bounds"]]
    return "\n\n".join(parts) or "No lower bound is claimed."


def _bound(bound: Mapping[str, Any], budget: str) -> Iterator[str]:
    proof, spent = bound["proof"], read_fraction(budget, "budget")
    value = bound["value"]
    above = "finite max KVPR" if value == "infinite" else f"max KVPR below {_decimal(value)}"
    claim = f"No placement that costs at most {decimal_text(spent)} has a {above}."
    if proof["kind"] == "solver":
        yield f"{claim} That is the word of {proof['solver']} {proof['version']}."
        return
    if proof["kind"] != "moves":
        yield f"{claim} That holds whatever moves, by a proof of kind {proof['kind']!r}."
        return
    models = sum(map(int, proof["models"].split(" ")))
    gpus = sum(map(int, proof["gpus"].split(" ")))
    price = read_fraction(proof["price"], "price")
    yield f"{claim} Suppose that one had:"
    yield (
        f"- The models have points, {models} in all. One that moves is worth "
        f"{decimal_text(price)} less for each unit that moving it costs."
    )
    yield f"- Whatever fits each GPU at such a KVPR, all GPUs together hold {gpus} points at most."
    off = spent * price
    yield f"- Moves take off {decimal_text(price)} x {decimal_text(spent)} at most."
    yield f"- So the models have {decimal_text(gpus + off)} points at most, but they have {models}."
    yield "So no placement is possible."


def _decimal(text: str) -> str:
    return decimal_text(read_fraction(text, "value"))
