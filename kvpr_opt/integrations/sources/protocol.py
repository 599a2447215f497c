"""What a source has to offer. A module with these names is one (see ``template.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from kvpr_opt.integrations.records import Demand, GPURecord

#: What the numbers of a table without a header of its own can be.
Quantity = Literal["req_rate", "prompt_tokens", "output_tokens", "latency"]


@dataclass(frozen=True)
class Reading:
    """How demand is to be read.

    Attributes
    ----------
    quantity
        What a list of bare numbers is a list of.
    peak_window
        Seconds; the rate of a trace is its highest over so long a time. ``None``: its mean.
    """

    quantity: Quantity = "req_rate"
    peak_window: Fraction | None = None


class GPUSource(Protocol):
    """A kind of file that lists GPUs."""

    @property
    def NAME(self) -> str:
        """What it is, for errors and documents."""

    def recognises(self, text: str) -> bool:
        """Whether a file looks like one of this kind; cheap, and never raises."""

    def gpus(self, text: str, node: str) -> Sequence[GPURecord]:
        """The GPUs in the file; `node` is the name of the machine, where the file has none.

        Raises
        ------
        InputError
            With the place in the file; its name is added by the caller.
        """


class DemandSource(Protocol):
    """A kind of file that says what is asked of models."""

    @property
    def NAME(self) -> str:
        """What it is, for errors and documents."""

    def recognises(self, text: str) -> bool:
        """Whether a file looks like one of this kind; cheap, and never raises."""

    def demands(self, text: str, reading: Reading) -> Sequence[Demand]:
        """The demand of each model in the file, every model once.

        Raises
        ------
        InputError
            With the place in the file; its name is added by the caller.
        """
