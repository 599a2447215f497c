"""The interface of a source: any module with these names is one (see ``template.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from kvpr_opt.integrations.records import Demand, GPURecord

#: What a table of numbers without a header can contain.
Quantity = Literal["req_rate", "prompt_tokens", "output_tokens", "latency"]


@dataclass(frozen=True)
class Reading:
    """How to read demand.

    Attributes
    ----------
    quantity
        The meaning of a list of bare numbers.
    peak_window
        Seconds; the rate of a trace is its peak over any window this long. ``None``: its mean.
    """

    quantity: Quantity = "req_rate"
    peak_window: Fraction | None = None


class GPUSource(Protocol):
    """A kind of file that lists GPUs."""

    @property
    def NAME(self) -> str:
        """Its name in errors and documents."""

    def recognises(self, text: str) -> bool:
        """Whether a file looks like one of this kind; cheap, and never raises."""

    def gpus(self, text: str, node: str) -> Sequence[GPURecord]:
        """The GPUs in the file; `node` names the machine if the file does not.

        Raises
        ------
        InputError
            Names the place in the file; the caller adds the name of the file.
        """


class DemandSource(Protocol):
    """A kind of file that gives the demand for models."""

    @property
    def NAME(self) -> str:
        """Its name in errors and documents."""

    def recognises(self, text: str) -> bool:
        """Whether a file looks like one of this kind; cheap, and never raises."""

    def demands(self, text: str, reading: Reading) -> Sequence[Demand]:
        """The demand for each model in the file, each model once.

        Raises
        ------
        InputError
            Names the place in the file; the caller adds the name of the file.
        """
