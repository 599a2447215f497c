"""What the sources hand over: GPUs and the demand of models, each with its origin.

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
        Bytes in all, and those that something else uses already.
    node
        The machine that it is in; ``None`` keeps shards of a model away from it.
    index, uuid
        How tools of the vendor call it, where that is known.
    labels
        Words by which models can be kept to it, or off it.
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
    """What is asked of one model. What a source does not say is ``None``.

    Attributes
    ----------
    model
        Its name.
    req_rate
        Requests a second.
    prompt_tokens, output_tokens
        Tokens of a request, on average.
    latency
        Seconds that a request spends in the server, on average.
    """

    model: str
    origin: str
    req_rate: Fraction | None = None
    prompt_tokens: Fraction | None = None
    output_tokens: Fraction | None = None
    latency: Fraction | None = None


#: Digits that a measured number is worth. More would only make exact search slower.
SIGNIFICANT_DIGITS = 6


def measured(number: Fraction) -> Fraction:
    """A measured number to :data:`SIGNIFICANT_DIGITS` digits.

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
