"""Turn the records of the sources into a fleet file. Missing values are errors, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.files.checkpoints.folder import Checkpoint
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.demand import resident_kv
from kvpr_opt.integrations.fleet_file import (
    FleetEntry,
    fleet_text,
    gigabytes,
    number_value,
    text_value,
)
from kvpr_opt.integrations.records import Demand, GPURecord

#: Default memory of a server beside weights and cache: bytes, and the reason.
DEFAULT_OVERHEAD = 292 * (1 << 30) // 100 + 500_000_000
OVERHEAD_ORIGIN = (
    "The default overhead is 0.39 + 2.53 GiB for activations and more, as a server of vLLM logged "
    "(vLLM issue 11251), and 0.5 GB for CUDA; --overhead takes what yours log."
)

#: Models that are asked for pressure as rate over objective, or as resident KV memory.
DemandKind = Literal["rate", "kv"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class PerModel(Generic[_T]):
    """A default for all models, with exceptions for some."""

    common: _T | None = None
    own: Mapping[str, _T] = field(default_factory=dict)

    def of(self, model: str) -> _T | None:
        """The value for a model, or ``None``."""
        return self.own.get(model, self.common)


@dataclass(frozen=True)
class Settings:
    """Values that no source can provide.

    Attributes
    ----------
    kind
        How demand is expressed.
    slo
        Seconds within which a request must be answered.
    max_tokens
        The longest sequence that a server must accept.
    overhead
        Bytes.
    """

    kind: DemandKind = "rate"
    slo: PerModel[Fraction] = PerModel()
    max_tokens: PerModel[int] = PerModel()
    overhead: PerModel[int] = PerModel()


def imported_fleet(
    gpus: Sequence[GPURecord],
    models: Sequence[Checkpoint],
    demands: Mapping[str, Demand],
    settings: Settings,
    version: str,
) -> str:
    """The text of the fleet file.

    Raises
    ------
    InputError
        If two GPUs or models share a name, there is demand for an unknown model or none for
        a known one, or a value is missing that no source can provide.
    """
    _check_names([gpu.name for gpu in gpus], "GPU")
    names = [model.name for model in models]
    _check_names(names, "model")
    for given in (demands, settings.slo.own, settings.max_tokens.own, settings.overhead.own):
        for name in given:
            if name not in names:
                origin = demands[name].origin if given is demands else "an option"
                raise InputError(
                    f"{origin} names model {shown(name)}, which is not one of the models"
                    f"{nearest(name, names)}; --models NAME=DIR gives a folder another name"
                )
    header = [
        f"Written by kvpr-opt import {version}. Amounts are in GB (1e9 bytes) unless they say MiB.",
        f"Measured numbers have six digits. Pressure is {_PRESSURE[settings.kind]}.",
    ]
    if any(settings.overhead.of(name) is None for name in names):
        header.append(OVERHEAD_ORIGIN)
    entries = [_entries(model, demands.get(model.name), settings) for model in models]
    return fleet_text(header, gpus, entries)


_PRESSURE: dict[DemandKind, str] = {
    "rate": "req_rate / slo",
    "kv": "the KV memory in use on average: a KVPR of 1 means full",
}


def _check_names(names: Sequence[str], what: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(
                f"two {what}s are called {shown(name)}; give each file or folder a name of its own"
            )


def _entries(model: Checkpoint, demand: Demand | None, settings: Settings) -> list[FleetEntry]:
    if demand is None or demand.req_rate is None:
        raise InputError(
            f"no rate for model {shown(model.name)}; --rates takes a CSV file with the header "
            "model,req_rate, and 0 for a model without traffic"
        )
    cache = model.kv_cache
    entries = [
        FleetEntry("name", text_value(model.name), model.folder),
        FleetEntry("size", gigabytes(model.weights), model.origin),
        _overhead(model, settings),
        _floor(model, settings),
    ]
    if cache.kv_heads is not None:
        entries.append(FleetEntry("kv_heads", str(cache.kv_heads), "config.json"))
    else:
        entries.append(FleetEntry("kv_heads", "1", "latent attention: every shard keeps all of it"))
    if settings.kind == "kv":
        origin = f"{demand.origin}; rate x latency x tokens x {_per_token(model)}"
        return [*entries, FleetEntry("kv_demand", gigabytes(resident_kv(demand, cache)), origin)]
    slo = settings.slo.of(model.name)
    if slo is None:
        raise InputError(
            f"no objective for model {shown(model.name)}, and no metric has one; --slo takes "
            "SECONDS, or MODEL=SECONDS"
        )
    return [
        *entries,
        FleetEntry("req_rate", number_value(demand.req_rate), demand.origin),
        FleetEntry("slo", number_value(slo), "--slo"),
    ]


def _overhead(model: Checkpoint, settings: Settings) -> FleetEntry:
    given = settings.overhead.of(model.name)
    if given is None:
        return FleetEntry("overhead", gigabytes(DEFAULT_OVERHEAD), "default, see above")
    return FleetEntry("overhead", gigabytes(given), "--overhead")


def _floor(model: Checkpoint, settings: Settings) -> FleetEntry:
    given = settings.max_tokens.of(model.name)
    tokens = model.max_tokens if given is None else given
    if tokens is None:
        raise InputError(
            f"the configuration of model {shown(model.name)} does not say how long a sequence may "
            "be; --max-model-len takes TOKENS, or MODEL=TOKENS"
        )
    if given is not None and model.max_tokens is not None and given > model.max_tokens:
        raise InputError(
            f"{given} tokens are more than the {model.max_tokens} of the configuration of model "
            f"{shown(model.name)}",
            place="--max-model-len",
        )
    origin = "max_position_embeddings; --max-model-len for less" if given is None else "as asked"
    return FleetEntry(
        "kv_floor",
        gigabytes(model.kv_cache.floor(tokens)),
        f"one sequence of {tokens} tokens ({origin}) at {_per_token(model)}",
    )


def _per_token(model: Checkpoint) -> str:
    cache = model.kv_cache
    sliding = f" + {cache.sliding} up to token {cache.window}" if cache.sliding else ""
    return f"{cache.full}{sliding} bytes a token"
