"""The records that sources return: GPUs and the demand for models, each with its origin.

Memory is in bytes, time in seconds, and all numbers are exact. ``origin`` says in a few
words where the numbers came from; it ends up as a comment in the fleet file.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class GPURecord:
    """One GPU, or one MIG device.

    Attributes
    ----------
    name
        Unique in its source.
    memory, reserved
        Total bytes, and the bytes already used by something else.
    node
        The machine that it is in; with ``None``, no shards of a model are placed on it.
    index, uuid
        Its identifiers in the vendor's tools, if known.
    labels
        Labels by which models can be restricted to it or kept off it.
    """

    name: str
    memory: int
    origin: str
    reserved: int = 0
    node: str | None = None
    index: int | None = None
    uuid: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demand:
    """The demand for one model. Values that a source does not give are ``None``.

    Attributes
    ----------
    model
        Its name.
    req_rate
        Requests per second.
    prompt_tokens, output_tokens
        Average tokens per request.
    latency
        Average seconds that a request spends in the server.
    """

    model: str
    origin: str
    req_rate: Fraction | None = None
    prompt_tokens: Fraction | None = None
    output_tokens: Fraction | None = None
    latency: Fraction | None = None


#: Significant digits kept of a measured number. More would only slow down exact search.
SIGNIFICANT_DIGITS = 6


def measured(number: Fraction) -> Fraction:
    """Round a measured number to :data:`SIGNIFICANT_DIGITS` digits.

    Examples
    --------
    >>> measured(Fraction(7, 3))
    Fraction(233333, 100000)
    """
    unit = Fraction(1)
    while number and number < unit * 10 ** (SIGNIFICANT_DIGITS - 1):
        unit /= 10
    while number >= unit * 10**SIGNIFICANT_DIGITS:
        unit *= 10
    return round(number / unit) * unit
