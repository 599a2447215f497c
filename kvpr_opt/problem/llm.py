"""One served model: what it needs, how much it is asked for, and where it may run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from kvpr_opt.errors import InputError
from kvpr_opt.problem.fields import amount, listed_names, names, quantity, valid_name, whole
from kvpr_opt.problem.gpu import Number
from kvpr_opt.problem.representation import call_text
from kvpr_opt.problem.units import check_unit

#: More copies, replicas or shards than this are taken for a slip of the hand.
MAX_PARTS = 100_000

#: What keeps replicas apart.
SPREADS = ("gpu", "node")

#: One name or several.
Names = str | Iterable[str]


class Part(NamedTuple):
    """What a placed part is a part of.

    Attributes
    ----------
    model
        Name of the model or, with ``count``, of the copy.
    replica, shard
        Its number among the replicas, and among the shards of its replica.
    """

    model: str
    replica: int
    shard: int


@dataclass(frozen=True, repr=False)
class LLM:
    """One served model.

    Parameters
    ----------
    name
        Unique within the fleet.
    size
        Memory of its weights, in the unit of the fleet; with a suffix
        (``"16.1GB"``) where `unit` is given, like every amount of memory here.
    req_rate
        Request rate, at least 0. Given together with `slo`.
    slo
        The latency objective that a request has to meet, above 0.
    pressure
        Its KV-cache pressure ``req_rate / slo``, if known directly.
    overhead, kv_floor
        What each of its processes needs besides the weights, and the smallest KV
        cache that it starts with: on each GPU that it runs on.
    kv_demand
        Instead of the above: KV memory that is resident on average. KVPR then is
        the share of the KV memory in use.
    token_rate, kv_bytes_per_token, tpot_slo
        Instead of the above: the pressure is their product over the objective,
        ``token_rate * kv_bytes_per_token / tpot_slo`` (Prism, arXiv:2505.04021).
    pin
        The GPU on which it runs; one for each part where there are several.
    only, never
        GPUs, nodes or labels: where it may run, and where not.
    apart
        Groups: no two models of a group share a GPU.
    count
        Number of independent copies, ``name-0``, ``name-1``, ...
    replicas, spread
        Number of copies, each with an equal part of the demand, on different GPUs,
        or on different nodes with ``spread="node"``: ``name/r0``, ...
    shards
        Tensor parallelism: the number of GPUs of one node: ``name/s0``, ... Each has an
        equal part of the weights, and overhead and floor in full.
    kv_heads, kv_share
        The share of the demand that a shard carries: ``1 / min(shards, kv_heads)``,
        or `kv_share`; without both ``1 / shards``.
    current
        Where it runs now; one GPU for each part. Kept and shown.
    move_cost
        What moving a part costs. Kept and shown.
    unit
        The unit in which the fleet counts; needed for amounts that carry one.
    part
        Set on the parts that a fleet places; see :class:`Part`.

    Raises
    ------
    InputError
        If a number is out of its range, if the demand is not given in exactly one
        way, or if keys contradict each other.
    """

    name: str
    size: Fraction
    req_rate: Fraction | None
    slo: Fraction | None
    pressure: Fraction
    overhead: Fraction
    kv_floor: Fraction
    kv_demand: Fraction | None
    token_rate: Fraction | None
    kv_bytes_per_token: Fraction | None
    tpot_slo: Fraction | None
    pin: tuple[str, ...]
    only: tuple[str, ...]
    never: tuple[str, ...]
    apart: tuple[str, ...]
    count: int | None
    replicas: int
    spread: str
    shards: int
    kv_heads: int | None
    kv_share: Fraction | None
    current: tuple[str, ...]
    move_cost: Fraction | None
    unit: str | None = field(compare=False)
    part: Part | None

    def __init__(
        self,
        name: str,
        size: Number,
        req_rate: Number | None = None,
        slo: Number | None = None,
        pressure: Number | None = None,
        *,
        overhead: Number = 0,
        kv_floor: Number = 0,
        kv_demand: Number | None = None,
        token_rate: Number | None = None,
        kv_bytes_per_token: Number | None = None,
        tpot_slo: Number | None = None,
        pin: Names | None = None,
        only: Names = (),
        never: Names = (),
        apart: Names = (),
        count: int | str | None = None,
        replicas: int | str = 1,
        spread: str = "gpu",
        shards: int | str = 1,
        kv_heads: int | str | None = None,
        kv_share: Number | None = None,
        current: Names = (),
        move_cost: Number | None = None,
        unit: str | None = None,
        part: Part | None = None,
    ) -> None:
        values: dict[str, object] = {
            "name": valid_name(name),
            "unit": check_unit(unit),
            "size": amount(size, "size", unit),
            "req_rate": _optional(req_rate, "req_rate"),
            "slo": _optional(slo, "slo", positive=True),
            "overhead": amount(overhead, "overhead", unit),
            "kv_floor": amount(kv_floor, "kv_floor", unit),
            "kv_demand": None if kv_demand is None else amount(kv_demand, "kv_demand", unit),
            "token_rate": _optional(token_rate, "token_rate"),
            "kv_bytes_per_token": _optional(kv_bytes_per_token, "kv_bytes_per_token"),
            "tpot_slo": _optional(tpot_slo, "tpot_slo", positive=True),
            "pin": listed_names(pin, "pin"),
            "only": names(only, "only"),
            "never": names(never, "never"),
            "apart": names(apart, "apart"),
            "count": None if count is None else whole(count, "count", MAX_PARTS),
            "replicas": whole(replicas, "replicas", MAX_PARTS),
            "spread": spread,
            "shards": whole(shards, "shards", MAX_PARTS),
            "kv_heads": None if kv_heads is None else whole(kv_heads, "kv_heads", MAX_PARTS),
            "kv_share": _optional(kv_share, "kv_share", positive=True),
            "current": listed_names(current, "current"),
            "move_cost": _optional(move_cost, "move_cost"),
            "part": part,
        }
        # As `object.__setattr__` would, the only way to set what is frozen, but all at once.
        self.__dict__.update(values)
        given = _optional(pressure, "pressure")
        self.__dict__["pressure"] = _pressure(self, given)
        _check_parts(self)

    def __repr__(self) -> str:
        derived = self.part is None and not (self.demand == "req_rate" and self.req_rate is None)
        return call_text(self, without=("pressure",) if derived else ())

    @property
    def footprint(self) -> Fraction:
        """Memory that it occupies on a GPU: ``size + overhead + kv_floor``."""
        if not (self.overhead or self.kv_floor):
            return self.size  # at once: it is asked for of every model of a large fleet
        return self.size + self.overhead + self.kv_floor

    @property
    def parts(self) -> int:
        """How many placed parts it stands for: copies times replicas times shards."""
        return (self.count or 1) * self.replicas * self.shards

    @property
    def demand(self) -> str:
        """The kind of its demand: ``"req_rate"``, ``"kv_demand"`` or ``"token_rate"``."""
        if self.kv_demand is not None:
            return "kv_demand"
        return "req_rate" if self.token_rate is None else "token_rate"


def _optional(value: Number | None, what: str, *, positive: bool = False) -> Fraction | None:
    return None if value is None else quantity(value, what, positive=positive)


def _pressure(model: LLM, given: Fraction | None) -> Fraction:
    """The pressure, from the one way in which the demand is given."""
    rates = [model.req_rate is not None, model.slo is not None]
    tokens = [model.token_rate is not None, model.tpot_slo is not None]
    ways = sum([any(rates), any(tokens), model.kv_demand is not None])
    if ways > 1 or any(rates) != all(rates) or any(tokens) != all(tokens):
        raise InputError(_NEEDED)
    if any(tokens) and model.kv_bytes_per_token is None:
        raise InputError(_NEEDED)
    if model.part is not None and given is not None:
        return given  # a part of that of its model
    if ways == 0:
        if given is None:
            raise InputError(_NEEDED)
        return given
    text, value = _derived(model)
    if given is not None and given != value:
        raise InputError(
            f"pressure {given} is not {text} = {value}; give one or the other", place="pressure"
        )
    return value


_NEEDED = (
    "a model needs either both req_rate and slo, or pressure, or kv_demand, or token_rate "
    "with kv_bytes_per_token and tpot_slo"
)


def _derived(model: LLM) -> tuple[str, Fraction]:
    if model.req_rate is not None and model.slo is not None:
        return "req_rate / slo", model.req_rate / model.slo
    if model.kv_demand is not None:
        return "kv_demand", model.kv_demand
    assert model.token_rate is not None, "the demand is given in one of three ways"
    assert model.kv_bytes_per_token is not None, "token_rate requires it"
    assert model.tpot_slo is not None, "token_rate requires it"
    product = model.token_rate * model.kv_bytes_per_token
    return "token_rate * kv_bytes_per_token / tpot_slo", product / model.tpot_slo


def _check_parts(model: LLM) -> None:
    """Refuse keys about parts that contradict each other."""
    if model.spread not in SPREADS:
        raise InputError(
            f"spread {model.spread!r} is not known; known: {', '.join(SPREADS)}", place="spread"
        )
    if model.parts > MAX_PARTS:
        raise InputError(f"{model.parts} parts are more than {MAX_PARTS}", place="count")
    if model.kv_share is not None and (model.kv_share > 1 or model.shards == 1):
        allowed = "above 0 and at most 1, for a model with shards"
        raise InputError(f"kv_share {model.kv_share} is not {allowed}", place="kv_share")
    each = model.replicas * model.shards
    for key, listed in (("pin", model.pin), ("current", model.current)):
        single = len(listed) == 1 and each == 1
        if listed and not single and len(listed) != model.parts:
            raise InputError(
                f"{len(listed)} GPUs for {model.parts} parts ({_parts_text(model)}); "
                "one is needed for each, in their order",
                place=key,
            )
    for first in range(0, len(model.pin), each) if each > 1 else ():
        gpus = model.pin[first : first + each]
        twice = [gpu for gpu in gpus if gpus.count(gpu) > 1]
        if twice:
            raise InputError(
                f"duplicate GPU {twice[0]!r}; replicas and shards run on different GPUs",
                place="pin",
            )


def _parts_text(model: LLM) -> str:
    keys = {"count": model.count or 1, "replicas": model.replicas, "shards": model.shards}
    return " x ".join(f"{key} {n}" for key, n in keys.items() if n > 1) or "count 1"
