"""One GPU, and the memory of common types."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import to_fraction
from kvpr_opt.problem.fields import amount, in_range, names, valid_name
from kvpr_opt.problem.representation import call_text
from kvpr_opt.problem.units import check_unit

#: What a quantity may be given as; text and ``Decimal`` are read digit by digit.
Number = int | float | str | Decimal | Fraction

#: Memory in MiB by type of GPU, as ``nvidia-smi`` prints it (``memory.total``). T4, L4, A10G,
#: L40S, A100 and H100: listed in pull request 2797 of modal-labs/modal-client; RTX 4090,
#: H200 and B200: as printed in public issue threads. A driver may report a little less.
GPU_MEMORY_MIB: dict[str, int] = {
    "T4": 15_360,
    "A10G": 23_028,
    "L4": 23_034,
    "RTX-4090": 24_564,
    "A100-40GB": 40_960,
    "L40S": 46_068,
    "H100-80GB": 81_559,
    "A100-80GB": 81_920,
    "H200": 143_771,
    "B200": 183_359,
}


@dataclass(frozen=True, repr=False)
class GPU:
    """One GPU.

    Parameters
    ----------
    name
        Unique within the fleet.
    memory
        Nominal memory, in the unit of the fleet (GB by habit); with a suffix
        (``"81559MiB"``) where `unit` is given. Left out, it is that of `type`.
    reserved
        The part of `memory` that is neither weights nor KV cache: context,
        activations, other programs. ``"5 %"`` is a share of `memory`.
    node
        The machine that holds it. A GPU without one is a node of its own.
    labels
        What models may refer to in ``only`` and ``never``.
    uuid, index
        The driver's names for it; kept and shown, but not used in placing.
    type
        The product; one of :data:`GPU_MEMORY_MIB` where `memory` is left out.
    unit
        The unit in which the fleet counts, one of
        :data:`kvpr_opt.problem.units.UNITS`; needed for amounts that carry one.

    Raises
    ------
    InputError
        If `memory` is not positive, `reserved` is negative or above it, or a value
        is not a valid amount, name or unit.
    """

    name: str
    memory: Fraction
    reserved: Fraction
    node: str | None
    labels: tuple[str, ...]
    uuid: str | None
    index: int | None
    type: str | None
    unit: str | None = field(compare=False)

    def __init__(
        self,
        name: str,
        memory: Number | None = None,
        reserved: Number = 0,
        *,
        node: str | None = None,
        labels: str | tuple[str, ...] | list[str] = (),
        uuid: str | None = None,
        index: int | str | None = None,
        type: str | None = None,
        unit: str | None = None,
    ) -> None:
        object.__setattr__(self, "name", valid_name(name))
        object.__setattr__(self, "unit", check_unit(unit))
        object.__setattr__(self, "type", None if type is None else valid_name(type, "type"))
        object.__setattr__(self, "memory", self._memory(memory))
        object.__setattr__(self, "reserved", self._reserved(reserved))
        object.__setattr__(self, "node", None if node is None else valid_name(node, "node"))
        object.__setattr__(self, "labels", names(labels, "labels"))
        object.__setattr__(self, "uuid", None if uuid is None else valid_name(uuid, "uuid"))
        object.__setattr__(self, "index", None if index is None else _index(index))
        if self.reserved > self.memory:
            raise InputError(
                f"reserved {reserved} is more than the memory {memory} of GPU {name!r}",
                place="reserved",
            )

    def __repr__(self) -> str:
        return call_text(self)

    def _memory(self, given: Number | None) -> Fraction:
        if given is not None:
            return amount(given, "memory", self.unit, positive=True)
        if self.type is None:
            raise InputError("a GPU needs memory, or a type with a known one", place="memory")
        if self.type not in GPU_MEMORY_MIB:
            raise InputError(
                f"type {self.type!r} is not known; give memory, or one of: "
                f"{', '.join(GPU_MEMORY_MIB)}",
                place="type",
            )
        if self.unit is None:
            raise InputError(
                f"the memory of type {self.type!r} is known in MiB; set the unit of the fleet, too",
                place="type",
            )
        return amount(f"{GPU_MEMORY_MIB[self.type]}MiB", "memory", self.unit)

    def _reserved(self, given: Number) -> Fraction:
        if not isinstance(given, str) or not given.rstrip().endswith("%"):
            return amount(given, "reserved", self.unit)
        try:
            share = to_fraction(given.rstrip()[:-1], "reserved")
        except InputError as error:
            raise error.within(place="reserved") from None
        return in_range(self.memory * share / 100, given, "reserved", positive=False)

    @property
    def usable(self) -> Fraction:
        """Memory for weights and KV cache: ``memory - reserved``."""
        return self.memory - self.reserved if self.reserved else self.memory


def _index(value: int | str) -> int:
    try:
        number = to_fraction(value, "index")
    except InputError as error:
        raise error.within(place="index") from None
    if number.denominator != 1 or number < 0:
        raise InputError(f"index {value} is not a whole number of at least 0", place="index")
    return int(number)
