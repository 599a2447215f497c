"""The checker of certificates: python verify.py canonical.json certificate.json.

One file, standard library only, to be read next to docs/certificate.md ("the page"), whose order
it follows but for two things: the kinds that use constraints stand among the other kinds of
proof, and relocations, which the same command checks, stand behind all checks of certificates.
It believes nothing that wrote the certificate. From the fleet it derives the packing problem that
each bound stands for, and it repeats the proof that this problem has no solution. Tricks for
speed stand at the end of the file, apart from the argument.

A claim that is false, or does not follow, raises a ValueError: the check fails, exit code 5.
Work beyond a limit raises a TimeoutError: the answer is "unreadable", exit code 2.
"""

import hashlib
import json
import math
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

FLEET_SCHEMA, CERTIFICATE_SCHEMA = "kvpr-opt/canonical/1", "kvpr-opt/certificate/1"
RELOCATION_SCHEMA = "kvpr-opt/relocation/1"
# A fleet with constraints, and its certificates.
CONSTRAINED_FLEET, CONSTRAINED_CERTIFICATE = "kvpr-opt/canonical/2", "kvpr-opt/certificate/2"
PASSED, FAILED, NOT_CHECKABLE = "passed", "FAILED", "not checkable"
EXIT_CODES = {PASSED: 0, NOT_CHECKABLE: 3, FAILED: 5}
UNREADABLE = 2
EXCEEDED = "models of more points than a GPU may hold fit it"


class Limits(NamedTuple):
    """How much work strangers may ask for. Each limit is explained in docs/certificate.md."""

    file_bytes: int = 10_000_000  # of either text, in UTF-8
    brackets: int = 250_000  # "[" and "{" in either text, names included
    fleet_digits: int = 200  # of each numerator and denominator of a fleet
    kvpr_digits: int = 20_000  # the same, of any other number but points
    point_digits: int = 9  # of points, and of the limits of GPUs
    memory_bits: int = 4_000  # of all different denominators of memories and sizes
    pressure_bits: int = 100_000_000  # of those of the pressures, times GPUs and models
    sum_bits: int = 4_000_000  # of those of the pressures on one GPU
    row_bytes: int = 40_000_000  # of one row of sizes or points
    row_work: int = 15_000_000_000  # bytes of that row, times the models
    table_bytes: int = 15_000_000  # of all rows that the search for patterns looks up
    constraint_names: int = 1_000_000  # of models and GPUs in the constraints of a fleet
    pairs: int = 50_000_000  # of a GPU, and a model or a name in what is to be apart
    steps: int = 3_000_000  # of the search for patterns
    patterns: int = 20_000  # found by it
    cases: int = 100_000  # of a tree


LIMITS = Limits()
NUMBER = re.compile("(0|[1-9][0-9]*)(?:/([1-9][0-9]*))?")

Item = tuple[int, int]  # its size and its points
Bins = tuple[int, int, int]  # how many bins of one type there are, their capacity and their limit
Pattern = tuple[int, Counter[Item]]  # its waste, and its items, with (0, k) for a bin of type k
# What shows that items do not fit bins, in at most so many cases: `refute`, or a timed one.
Refute = Callable[[Iterable[Item], Sequence[Bins], int], str]


class Constraints(NamedTuple):
    """Where models may run, by name; all empty where every one may go anywhere."""

    only: dict[str, frozenset[str]]  # by model: the GPUs on which it may run
    apart: list[list[str]]  # models of which a GPU takes one at most
    together: list[list[str]]  # models that are all in one node
    spread: list[list[list[str]]]  # lists of models; no node has models of two lists
    nodes: dict[str, str]  # by GPU: the name of its node, which is that of a GPU


FREE = Constraints({}, [], [], [], {})


class Fleet(NamedTuple):
    """A fleet as written. By name: memories and sizes in whole memory units, and pressures."""

    capacities: dict[str, int]
    sizes: dict[str, int]
    pressures: dict[str, Fraction]
    memory_unit: Fraction
    constraints: Constraints = FREE


class WholeFleet(NamedTuple):
    """A fleet in whole numbers. `unit` is the KVPR of one pressure unit over one memory unit."""

    capacities: dict[str, int]
    sizes: dict[str, int]
    pressures: dict[str, int]
    unit: Fraction
    constraints: Constraints = FREE


class Bound(NamedTuple):
    """The claim that no placement is below `value`, and its proof.

    The value is a Fraction, or the float infinity, if no placement is finite.
    """

    value: Fraction | float
    proof: dict[str, Any]


class Certificate(NamedTuple):
    """What is claimed, as read; nothing of it is checked yet."""

    schema: str
    digest: str
    status: str
    value: Fraction | None
    placement: dict[str, Any] | None
    bounds: list[Bound]


class Check(NamedTuple):
    """One claim, what became of it, and why."""

    name: str
    outcome: str
    detail: str


class Report(NamedTuple):
    """All checks, and 0: all is proved; 3: but for a solver's word; 5: rejected; 2: unreadable."""

    checks: list[Check]
    exit_code: int


def require(condition: object, message: str, error: type[Exception] = ValueError) -> None:
    """Raise `error(message)` unless `condition` holds."""
    if not condition:
        raise error(message)


# -- the form of the texts ---------------------------------------------------------------------


def load(text: str, schemas: Sequence[str], form: Mapping[str, Any]) -> list[Any]:
    """Read a text whose object has one of the `schemas` and the fields of `form`; return all."""
    data = parse(text)
    require(schema_of(data) in schemas, f"its schema is not {' or '.join(schemas)}")
    return fields(data, {"schema": str, **form})


def parse(text: str) -> Any:
    """Read JSON within the limits."""
    size = len(text.encode())  # half a surrogate pair has no UTF-8: that is a ValueError
    require(size <= LIMITS.file_bytes, f"it has more than {LIMITS.file_bytes:,} bytes")
    brackets = text.count("[") + text.count("{")
    require(brackets <= LIMITS.brackets, f"it has more than {LIMITS.brackets:,} brackets")
    # Numbers are text everywhere. One of JSON becomes a float, which no place accepts.
    data = json.loads(text, object_pairs_hook=_object, parse_int=float)
    if "\\u" in text:
        json.dumps(data, ensure_ascii=False).encode()  # surrogates may be hidden in escapes
    return data


def schema_of(data: Any) -> Any:
    """Return what an object names as its schema; None without one."""
    return data.get("schema") if isinstance(data, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | float:
    """Make an object of its entries; with a key twice it is none, and accepted nowhere."""
    data = dict(pairs)
    return data if len(data) == len(pairs) else math.nan


def fields(data: Any, form: Mapping[str, Any]) -> list[Any]:
    """Return the values of an object that has exactly the keys of `form`, of these types."""
    if isinstance(data, dict) and data.keys() == form.keys():
        values = [data[key] for key in form]
        if all(map(isinstance, values, form.values())):
            return values
    keys = f"{[*form]!a}"[:150]
    raise ValueError(f"an object needs exactly these keys, once, of the right type: {keys}")


def number(text: str, digits: int) -> Fraction:
    """Read a reduced fraction p/q, or p, of at most so many digits each."""
    match = NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!a} is no fraction p/q, or p, of decimal digits")
    top, bottom = match.groups("1")
    if max(len(top), len(bottom)) > digits:
        raise ValueError(f"{text[:60]!a}... has more than {digits:,} digits: round it")
    value = Fraction(integer(top), integer(bottom))
    if value.denominator != integer(bottom) or text.endswith("/1"):
        raise ValueError(f"{text[:60]!a} is no reduced fraction")
    return value


def integer(text: str) -> int:
    """Read an integer of any length: int() by itself reads no more than some hundreds of digits."""
    return int(text) if len(text) < 600 else int(Decimal(text))


def read_fleet(text: str) -> Fleet:
    """Read a canonical fleet; the same fleet in another spelling has another digest."""
    form = {"gpus": list, "models": list, "constraints": list}
    schema, gpus, models, listed = load(text, (FLEET_SCHEMA, CONSTRAINED_FLEET), form)
    require(
        bool(listed) == (schema == CONSTRAINED_FLEET),
        f"constraints are what {CONSTRAINED_FLEET} has, and {FLEET_SCHEMA} has not",
    )
    entries = [_gpu_fields(gpu, schema) for gpu in gpus]
    gpus = [[name, memory] for name, memory, _ in entries]
    models = [fields(model, {"name": str, "size": str, "pressure": str}) for model in models]
    require(gpus, "it has no GPU")
    memories = {name: number(memory, LIMITS.fleet_digits) for name, memory in gpus}
    sizes = {name: number(size, LIMITS.fleet_digits) for name, size, _ in models}
    pressures = {name: number(pressure, LIMITS.fleet_digits) for name, _, pressure in models}
    require(len(memories) == len(gpus), "it has the name of a GPU twice")
    require(len(sizes) == len(models), "it has the name of a model twice")
    bits = denominator_bits([*memories.values(), *sizes.values()])
    require(
        bits <= LIMITS.memory_bits,
        f"the different denominators of its memories and sizes have {bits:,} bits, more than "
        f"{LIMITS.memory_bits:,}: round them",
    )
    (capacities, whole_sizes), unit = in_units(memories, sizes)
    nodes = {name: name if node is None else node for name, _, node in entries}
    require(set(nodes.values()) <= set(nodes), "a node is not called by one of its GPUs")
    constraints = read_constraints(listed, set(sizes), nodes)
    return Fleet(capacities, whole_sizes, pressures, unit, constraints)


def _gpu_fields(gpu: Any, schema: str) -> list[Any]:
    """Return name, memory and node of a GPU; the node is None where it has none."""
    form = {"name": str, "memory": str}
    if schema == CONSTRAINED_FLEET and isinstance(gpu, dict) and "node" in gpu:
        return fields(gpu, {**form, "node": str})
    return [*fields(gpu, form), None]


def read_constraints(listed: list[Any], models: set[str], nodes: dict[str, str]) -> Constraints:
    """Read the constraints of a fleet; every name in them is one of the fleet."""
    made = Constraints({}, [], [], [], nodes)
    names = 0
    for constraint in listed:
        kind = constraint.get("kind") if isinstance(constraint, dict) else None
        if kind == "only":
            _, model, gpus = fields(constraint, {"kind": str, "model": str, "gpus": list})
            require(model not in made.only, "a model has two constraints of the kind only")
            names += len(_names([model], models)) + len(_names(gpus, set(nodes)))
            made.only[model] = frozenset(gpus)
        elif kind in ("apart", "together"):
            _, members = fields(constraint, {"kind": str, "models": list})
            names += len(_names(members, models))
            (made.apart if kind == "apart" else made.together).append(members)
        else:  # lists of models are called replicas here, which is what they mostly are
            require(kind == "spread", "a constraint is of none of the kinds known here")
            _, replicas = fields(constraint, {"kind": str, "models": list})
            right = all(isinstance(parts, list) and parts for parts in replicas)
            require(right, "a replica is no list of models")
            names += len(_names([model for parts in replicas for model in parts], models))
            made.spread.append(replicas)
    require(
        names <= LIMITS.constraint_names,
        f"its constraints have {names:,} names, more than {LIMITS.constraint_names:,}",
    )
    return made


def _names(listed: list[Any], known: set[str]) -> list[str]:
    """Refuse what is no list of different known names."""
    right = all(isinstance(name, str) and name in known for name in listed)
    require(right, "a constraint names what the fleet does not have")
    require(len(set(listed)) == len(listed), "a constraint has a name twice")
    require(listed, "a constraint has an empty list of names")
    return listed


def read_certificate(text: str) -> Certificate:
    """Read a certificate; what is inside placement and proofs is looked at with the claims."""
    claims = {"instance_sha256": str, "status": str, "max_kvpr": str | None}
    form = {**claims, "placement": dict | None, "bounds": list}
    schemas = (CERTIFICATE_SCHEMA, CONSTRAINED_CERTIFICATE)
    schema, digest, status, value, placement, bounds = load(text, schemas, form)
    require(len(bounds) <= 2, "it has more than two bounds")
    pairs = [fields(bound, {"value": str, "proof": dict}) for bound in bounds]
    return Certificate(
        schema,
        digest,
        status,
        None if value is None else number(value, LIMITS.kvpr_digits),
        placement,
        [Bound(_finite_or_not(at), proof) for at, proof in pairs],
    )


def _finite_or_not(text: str) -> Fraction | float:
    return math.inf if text == "infinite" else number(text, LIMITS.kvpr_digits)


# -- whole numbers -----------------------------------------------------------------------------


def denominator_bits(numbers: Iterable[Fraction]) -> int:
    """Count the bits of all different denominators: no common one has more."""
    return sum(map(int.bit_length, {number.denominator for number in numbers}))


def in_units(*groups: Mapping[str, Fraction]) -> tuple[list[dict[str, int]], Fraction]:
    """Return the groups as multiples of the largest unit that allows it, and that unit."""
    numbers = [number for group in groups for number in group.values()]
    bottom = math.lcm(*{number.denominator for number in numbers})
    top = math.gcd(*(number.numerator for number in numbers)) or 1
    whole = [
        {name: x.numerator // top * (bottom // x.denominator) for name, x in group.items()}
        for group in groups
    ]
    return whole, Fraction(top, bottom)


def whole_fleet(fleet: Fleet) -> WholeFleet:
    """Count the pressures in their unit, unless that makes all of them very long."""
    bits = denominator_bits(fleet.pressures.values())
    bits *= len(fleet.capacities) + len(fleet.pressures)
    require(
        bits <= LIMITS.pressure_bits,
        f"the pressures have too many different denominators ({bits:,} bits to work on, more than "
        f"{LIMITS.pressure_bits:,}): round rates and SLOs, or prove the bound with rounded ones",
        TimeoutError,
    )
    (pressures,), unit = in_units(fleet.pressures)
    kvpr_unit = unit / fleet.memory_unit
    return WholeFleet(fleet.capacities, fleet.sizes, pressures, kvpr_unit, fleet.constraints)


def rounded_fleet(fleet: Fleet, unit: Fraction) -> WholeFleet:
    """Round the pressures down to multiples of `unit`, and count them in their own unit."""
    require(unit > 0, "the unit of rounded pressures is not above 0")
    bits = unit.denominator.bit_length() * (len(fleet.capacities) + len(fleet.pressures))
    require(
        bits <= LIMITS.pressure_bits,
        f"the unit of the rounded pressures is too long ({bits:,} bits to work on, more than "
        f"{LIMITS.pressure_bits:,}): round to a shorter one",
        TimeoutError,
    )
    multiples = {name: Fraction(x // unit) for name, x in fleet.pressures.items()}
    (pressures,), common = in_units(multiples)
    kvpr_unit = common * unit / fleet.memory_unit
    return WholeFleet(fleet.capacities, fleet.sizes, pressures, kvpr_unit, fleet.constraints)


def threshold(fleet: WholeFleet, value: Fraction | float) -> tuple[int, int]:
    """Return the a/f, in units of the fleet, at most which is every KVPR below `value`."""
    everything, largest = sum(fleet.pressures.values()), max(1, *fleet.capacities.values())
    # Only the infinite value is a float; an infinite ratio is one above all pressure.
    if everything == 0:
        return 1, 0  # which stands for any KVPR: memory is all that counts
    ratio = math.inf if isinstance(value, float) else value / fleet.unit
    if isinstance(ratio, float) or ratio > everything:
        return everything, 1  # no finite KVPR exceeds all pressure over one unit of memory
    nearest = ratio.limit_denominator(largest)
    p, q = nearest.as_integer_ratio()
    if nearest < ratio:
        return p, q  # the nearest of all such fractions, so the largest one below
    # No other lies from the value up to p/q. Those next below p/q are p/q - 1/(f q), that
    # is a/f with p f - 1 = a q: every q-th f will do, and the largest is best.
    f = largest - (largest - pow(p, -1, q)) % q
    return (p * f - 1) // q, f


def packing(fleet: WholeFleet, a: int, f: int) -> tuple[list[int], list[int]]:
    """Return the item sizes, by model, and the bin capacities that a threshold a/f means."""
    pressures = fleet.pressures
    items = [f * pressures[model] + a * size for model, size in fleet.sizes.items()]
    # Multiples of `common` fit into a capacity if they fit into its largest multiple within.
    common = math.gcd(*items) or 1
    capacities = [a * capacity // common for capacity in fleet.capacities.values()]
    return [item // common for item in items], capacities


# -- the kinds of proof, each with its lemma ---------------------------------------------------


def check_bound(fleet: Fleet, bound: Bound, refute: Refute) -> tuple[str, str]:
    """Check that no placement has a value below the bound, by the argument of its kind."""
    if bound.value == 0:
        return PASSED, "no KVPR is negative, whatever the proof says"
    if bound.proof.get("kind") == "rounded":
        return check_rounded(fleet, bound, refute)
    return check_whole(whole_fleet(fleet), bound, refute)


def check_rounded(fleet: Fleet, bound: Bound, refute: Refute) -> tuple[str, str]:
    """Lemma: a bound of a fleet with smaller pressures is a bound of the fleet.

    A placement has the same free memory in both, and no more pressure anywhere in the one with
    smaller pressures; so its value there is at most its value here.
    """
    _, unit, proof = fields(bound.proof, {"kind": str, "unit": str, "proof": dict})
    rounded = rounded_fleet(fleet, number(unit, LIMITS.kvpr_digits))
    outcome, detail = check_whole(rounded, Bound(bound.value, proof), refute)
    return outcome, f"with rounded pressures, {detail}"


def check_whole(fleet: WholeFleet, bound: Bound, refute: Refute) -> tuple[str, str]:
    """Lemma: a value below the bound is at most a/f, and means that the items fit the bins."""
    a, f = threshold(fleet, bound.value)
    items, capacities = packing(fleet, a, f)
    kind = bound.proof.get("kind")
    ignored = "" if is_free(fleet.constraints) else " (without: constraints)"
    if kind == "volume":
        outcome, detail = check_volume(items, capacities, bound.proof)
        return outcome, detail + ignored
    if kind == "dual":
        outcome, detail = check_dual(fleet, items, capacities, bound.proof, refute)
        return outcome, detail + ignored
    if kind == "tree":
        outcome, detail = check_tree(fleet, items, capacities, bound.proof, refute)
        return outcome, detail + ignored
    if kind == "pinned":
        return check_pinned(fleet, items, capacities, bound.proof)
    if kind == "constrained":
        return check_constrained(fleet, items, capacities, bound.proof)
    if kind == "solver":
        return check_solver(math.inf if f == 0 else Fraction(a, f) * fleet.unit, bound.proof)
    raise ValueError(
        "its kind is not known here: it is none of volume, dual, tree, pinned, constrained, solver"
    )


def check_volume(items: list[int], capacities: list[int], proof: Any) -> tuple[str, str]:
    """Lemma: items that together are larger than all bins together do not fit them."""
    fields(proof, {"kind": str})
    larger = sum(items) > sum(capacities)
    require(larger, "all models together are not larger than all GPUs")
    return PASSED, "volume: all models together are larger than all GPUs together"


def check_dual(
    fleet: WholeFleet, items: list[int], capacities: list[int], proof: Any, refute: Refute
) -> tuple[str, str]:
    """Lemma: items do not fit if all their points exceed what all bins together can hold.

    Each item has points, and each bin a limit that no set of items which fits it exceeds. So the
    bins of a packing hold at most all limits together, and that is less than all points.
    """
    pointed, bins = _points_and_limits(fleet, items, capacities, proof)
    return PASSED, f"dual: {refute(pointed, bins, 0)}"


def check_tree(
    fleet: WholeFleet, items: list[int], capacities: list[int], proof: Any, refute: Refute
) -> tuple[str, str]:
    """Lemma: items do not fit if no choice of sets, one a bin, loses few points and has them all.

    Points and limits are those of `check_dual`, but all limits together exceed all points by
    `spare`, 0 or more. What a bin of a packing holds has fewer points than its limit, by its
    waste, and all wastes together are `spare`. So each bin holds a set of a waste of at most
    `spare` (a pattern), or nothing. All patterns are found, and all ways to choose among them
    are tried: in each some item is left that no pattern still possible holds.
    """
    pointed, bins = _points_and_limits(fleet, items, capacities, proof)
    return PASSED, f"tree: {refute(pointed, bins, LIMITS.cases)}"


def check_pinned(
    fleet: WholeFleet, items: list[int], capacities: list[int], proof: Any
) -> tuple[str, str]:
    """Lemma: items do not fit if those that have to be in one bin are larger than it, or torn.

    Torn: two of them are models of which a GPU takes one at most.
    """
    _, gpu = fields(proof, {"kind": str, "gpu": str})
    rooms = dict(zip(fleet.capacities, capacities, strict=True))
    require(gpu in rooms, f"the fleet has no GPU {gpu[:60]!a}")
    pinned = pinned_models(fleet.constraints)
    sizes = dict(zip(fleet.sizes, items, strict=True))
    base = sum(size for model, size in sizes.items() if pinned.get(model) == gpu)
    torn = any(
        sum(pinned.get(model) == gpu for model in group) > 1 for group in fleet.constraints.apart
    )
    require(torn or base > rooms[gpu], "the models that have to be on this GPU may share it")
    return PASSED, "pinned: the models that have to be on one GPU are more than it can hold"


def check_constrained(
    fleet: WholeFleet, items: list[int], capacities: list[int], proof: Any
) -> tuple[str, str]:
    """Lemma: that of `check_dual`, for the sets that constraints allow.

    What has to be on one GPU takes its room there, and is no item. A set of items is one that
    a bin may hold if each of them may be on the GPU, and no two are of one group, nor of a
    group of which a pinned model is there. The bins of a packing that keeps the constraints
    hold such sets only. Of the groups of an item, the largest counts here; nodes do not. To leave
    out a group or a node only adds sets, so what no set then exceeds, none that is allowed does.
    """
    form = {"kind": str, "models": str, "gpus": str, "types": str}
    _, models, gpus, types = fields(proof, form)
    require_few_pairs(fleet)
    points = dict(zip(fleet.sizes, _whole_numbers(models, len(items)), strict=True))
    type_of = dict(zip(fleet.capacities, _whole_numbers(types, len(capacities)), strict=True))
    limits = _whole_numbers(gpus, max(type_of.values()) + 1)
    constraints, pinned = fleet.constraints, pinned_models(fleet.constraints)
    sizes = dict(zip(fleet.sizes, items, strict=True))
    rooms = dict(zip(fleet.capacities, capacities, strict=True))
    for model, gpu in pinned.items():
        rooms[gpu] -= sizes.pop(model)
    require(min(rooms.values()) >= 0, "what is pinned to a GPU is more than it can hold")
    # Multiples of `common` fit into a room if they fit into its largest multiple within.
    common = math.gcd(*sizes.values()) or 1
    counted = {model: size // common for model, size in sizes.items() if size and points[model]}
    held = sum(limits[type_of[gpu]] for gpu in rooms)
    spare = held - sum(points[model] for model in counted)
    require(spare < 0, f"the models have no more points than GPUs may hold, by {spare}")
    group_of = largest_groups(constraints, pinned)
    alike: dict[frozenset[str], list[str]] = {}
    for gpu in rooms:
        alike.setdefault(allowed_models(gpu, counted, constraints, pinned), []).append(gpu)
    work = 0
    for allowed, same in alike.items():
        bins = [(1, rooms[gpu] // common, limits[type_of[gpu]]) for gpu in same]
        work += len(allowed) * row_bytes(*_largest(bins))
        require(work <= LIMITS.row_work, "its points are too many: shorten it", TimeoutError)
        stages: dict[str | int, list[Item]] = {}
        for model in allowed:
            stages.setdefault(group_of.get(model, model), []).append(
                (counted[model], points[model])
            )
        _no_choice_exceeds_its_limit([*stages.values()], bins)
    ignored = " (without: nodes)" if constraints.together or constraints.spread else ""
    more = f"the points of the models exceed what the GPUs can hold by {-spare}"
    return PASSED, f"constrained: {more}{ignored}"


def is_free(constraints: Constraints) -> bool:
    """Whether every model may go anywhere."""
    only, apart, together, spread, _ = constraints
    return not (only or apart or together or spread)


def pinned_models(constraints: Constraints) -> dict[str, str]:
    """Return the GPU of each model that may run on one only."""
    return {model: next(iter(gpus)) for model, gpus in constraints.only.items() if len(gpus) == 1}


def largest_groups(constraints: Constraints, pinned: Mapping[str, str]) -> dict[str, int]:
    """Return the number of the group that counts for each model: the one of most free models.

    Of several as large, the first; a group of one free model is none.
    """
    free = [[model for model in group if model not in pinned] for group in constraints.apart]
    found: dict[str, int] = {}
    for number, group in enumerate(free):
        for model in group:
            if len(group) > 1 and (model not in found or len(group) > len(free[found[model]])):
                found[model] = number
    return found


def require_few_pairs(fleet: WholeFleet) -> None:
    """Refuse to ask of each GPU which models it may have, where that takes too long."""
    names = len(fleet.sizes) + sum(map(len, fleet.constraints.apart))
    few = len(fleet.capacities) * names <= LIMITS.pairs
    require(few, f"GPUs times models are more than {LIMITS.pairs:,}", TimeoutError)


def allowed_models(
    gpu: str, models: Iterable[str], constraints: Constraints, pinned: Mapping[str, str]
) -> frozenset[str]:
    """Return those of the models that may run on a GPU, beside what is pinned to it."""
    barred = {
        model
        for group in constraints.apart
        if any(pinned.get(member) == gpu for member in group)
        for model in group
    }
    everywhere = frozenset([gpu])
    return frozenset(
        model
        for model in models
        if model not in barred and gpu in constraints.only.get(model, everywhere)
    )


def _points_and_limits(
    fleet: WholeFleet, items: list[int], capacities: list[int], proof: Any
) -> tuple[list[Item], list[Bins]]:
    """Return the items with their points, and the bins by type with their limits."""
    _, models, gpus = fields(proof, {"kind": str, "models": str, "gpus": str})
    # GPUs of equal memory are one type; types stand in the order of their first GPUs.
    types = Counter(zip(fleet.capacities.values(), capacities, strict=True))
    points, limits = _whole_numbers(models, len(items)), _whole_numbers(gpus, len(types))
    bins = [(n, room, most) for ((_, room), n), most in zip(types.items(), limits, strict=True)]
    return list(zip(items, points, strict=True)), bins


def _whole_numbers(text: str, wanted: int) -> list[int]:
    there = text.count(" ") + 1 if text else 0
    require(there == wanted and "/" not in text, "it needs a whole number by model and type")
    return [number(x, LIMITS.point_digits).numerator for x in text.split(" ")] if text else []


def check_solver(largest: Fraction | float, proof: Any) -> tuple[str, str]:
    """Lemma: the bound holds if the solver is right, and refuted all values that are below it.

    `largest` is the largest of these values. Nothing is asked where no model has pressure, not
    even that the threshold is a number: then all thresholds say the same.
    """
    form = dict.fromkeys(("kind", "solver", "version", "threshold"), str)
    _, who, version, said, settings = fields(proof, {**form, "parameters": dict})
    fields(settings, dict.fromkeys(settings, str))
    enough = largest == math.inf or _finite_or_not(said) >= largest
    require(enough, "the threshold that the solver refuted is too low for this bound")
    return NOT_CHECKABLE, f"solver: it rests on the word of {who[:60]!a} {version[:60]!a}"


# -- points, patterns and cases: what `dual` and `tree` rest on --------------------------------


def refute(
    items: Iterable[Item], bins: Sequence[Bins], cases: int, steps: int = LIMITS.steps
) -> str:
    """Prove that the items do not fit the bins, by the lemmas of `check_dual` and `check_tree`.

    Without points to spare, condition 2 of the page is all that is left to check, and `cases` may
    be 0. Otherwise at most so many cases are tried. The answer says what was found. Whoever has
    less time than the limits allow asks for fewer `steps`, and the rows get shorter with them.
    """
    held = Counter(item for item in items if item[0] > 0)  # what has no size fits anywhere
    limits = sum(number * limit for number, _, limit in bins)
    spare = limits - sum(item[1] * copies for item, copies in held.items())
    require(spare < 0 or cases, f"the models have no more points than GPUs may hold, by {spare}")
    most, room = _largest(bins)
    # More copies than fit beside each other are never in one bin.
    copies = Counter({item: min(n, room // item[0]) for item, n in held.items()})
    bundled, row = bundles(copies), row_bytes(most, room)
    work = LIMITS.row_work * steps // LIMITS.steps
    if spare < 0 and row <= LIMITS.row_bytes and row * len(bundled) <= work:
        _no_choice_exceeds_its_limit([[item] for item in bundled], bins)
    else:
        patterns = _patterns(sorted(copies.elements(), reverse=True), bins, spare, steps)
    if spare < 0:
        return f"the points of the models exceed what the GPUs can hold by {-spare}"
    held.update({(0, kind): number for kind, (number, _, _) in enumerate(bins)})
    tried = _count_cases(patterns, held, spare, cases)
    return f"{spare} points may be lost, {len(patterns)} sets lose no more, and {tried} cases fail"


def bundles(copies: Mapping[Item, int]) -> list[Item]:
    """Return items, each of some copies put together, of which sets have any number of copies."""
    bundled = []
    for (size, points), left in copies.items():
        together = 1
        while left > 0:
            together = min(together, left)
            bundled.append((together * size, together * points))
            left, together = left - together, 2 * together
    return bundled


def _no_choice_exceeds_its_limit(stages: list[list[Item]], bins: Sequence[Bins]) -> None:
    """Check condition 2 of the page, in the shortest way, for sets of one item a stage at most."""
    most, room = _largest(bins)
    shortest = row_bytes(most, room)
    require(shortest <= LIMITS.row_bytes, "its points are too many", TimeoutError)
    if shortest == _bytes_in_one(most, room):
        for row_so_far in rows_of_least_sizes(stages, most, room, unit=1):
            entries = row_so_far  # the last one has all stages
        width = 8 * _entry_bytes(room)
        sizes = [entries >> width * (most - limit) & (1 << width) - 1 for _, _, limit in bins]
        right = all(size > capacity for size, (_, capacity, _) in zip(sizes, bins, strict=True))
    elif shortest == _bytes_by_points(most, room):
        row = row_of_least_sizes(stages, most, room)
        right = all(_entry(row, most - limit) > capacity for _, capacity, limit in bins)
    else:
        row = row_of_most_points(stages, most, room)
        right = all(_entry(row, room - capacity) <= limit for _, capacity, limit in bins)
    require(right, EXCEEDED)


def _patterns(items: list[Item], bins: Sequence[Bins], spare: int, steps: int) -> list[Pattern]:
    """Find all sets of items, which stand in falling order, that fit a bin and waste few points.

    Depth first. A branch is left before item i if the least size of items from there on that
    have as many points as are still lacking exceeds the room: no set is missed then. The set of
    no item is found where it wastes few enough; no case has a use for it.
    """
    most, room = _largest(bins)
    width = _entry_bytes(room)
    unit = 1 + most * (len(items) + 50) * width // LIMITS.table_bytes  # points, counted as one
    rows = rows_of_least_sizes([[item] for item in items], most, room, unit)
    least = [row.to_bytes((most // unit + 2) * width, "big") for row in rows][::-1]
    spare, number = max(spare, -1), len(items)  # without any, one point too many is looked for
    patterns: list[Pattern] = []
    for kind, (_, capacity, limit) in enumerate(bins):
        # The next item to take, the room left, the points lacking, and the items taken.
        branches: list[tuple[int, int, int, tuple[Item, ...]]] = [(0, capacity, limit - spare, ())]
        while branches:
            first, room, lacking, taken = branches.pop()
            if lacking <= 0:
                waste = lacking + spare
                require(waste >= 0, EXCEEDED)
                patterns.append((waste, Counter([*taken, (0, kind)])))
                enough = len(patterns) <= LIMITS.patterns
                require(enough, f"there are more than {LIMITS.patterns} sets", TimeoutError)
            place = max(0, -(-lacking // unit)) * width
            for i in range(first, number):
                if int.from_bytes(least[i][place : place + width], "big") > room:
                    break
                steps -= 1
                if steps < 0:
                    raise TimeoutError("it takes too many steps to find its sets: shorten it")
                item = items[i]
                # Of several copies, the first ones are taken.
                if item[0] <= room and (i == first or item != items[i - 1]):
                    branches.append((i + 1, room - item[0], lacking - item[1], (*taken, item)))
    return patterns


def _count_cases(patterns: list[Pattern], held: Counter[Item], spare: int, most: int) -> int:
    """Return in how many cases no choice of patterns holds all items; refuse if one does.

    An item that is in the fewest patterns still possible needs one of them: a case for each.
    Patterns that were tried are not needed in the cases that follow. Bits of integers stand for
    patterns, in rising order of waste: `holding` has those that hold more than n of an item.
    """
    patterns = sorted(patterns, key=lambda pattern: pattern[0])
    wastes = [waste for waste, _ in patterns]
    holding = Counter[tuple[Item, int]]()
    for place, (_, content) in enumerate(patterns):
        for item, copies in content.items():
            for n in range(copies):
                holding[item, n] |= 1 << place
    tried, cases = 0, [(held, spare, -1)]
    while cases:
        needed, spare, possible = cases.pop()
        possible &= (1 << bisect_right(wastes, spare)) - 1
        choices = [possible & holding[item, 0] for item in needed if item[0] > 0]
        require(choices, "as far as the points can tell, the models fit the GPUs")
        tried += 1
        require(tried <= most, f"there are more than {most} cases", TimeoutError)
        choice = min(choices, key=int.bit_count)
        while choice:
            place = choice.bit_length() - 1
            waste, content = patterns[place]
            left, still = needed - content, possible
            for item in content:
                still &= ~holding[item, left[item]]  # they need more copies than are left
            cases.append((left, spare - waste, still))
            choice ^= 1 << place
            possible ^= 1 << place
    return tried


# -- placement and status ----------------------------------------------------------------------


def check_placement(fleet: Fleet, certificate: Certificate) -> tuple[str, str]:
    """Check that the placement is one of this fleet, and that its worst KVPR is the value."""
    value, placement = certificate.value, certificate.placement
    if value is None and placement is None:
        return PASSED, "none is claimed"
    if value is None or placement is None:
        raise ValueError("a placement and its max KVPR need each other")
    fields(placement, dict.fromkeys(fleet.sizes, str))
    free = fleet.capacities.copy()
    load: dict[str, list[Fraction]] = {gpu: [] for gpu in free}
    for model, gpu in placement.items():
        require(gpu in free, f"the fleet has no GPU {gpu[:60]!a}")
        free[gpu] -= fleet.sizes[model]
        load[gpu].append(fleet.pressures[model])
    require(min(free.values()) >= 0, "a GPU is overfull")
    check_constraints(fleet.constraints, placement)
    wrong = "its max KVPR is not the one claimed"
    reached = value == 0  # a GPU without pressure has a KVPR of 0, even if it is full
    for gpu, pressures in load.items():
        require(
            denominator_bits(pressures) <= LIMITS.sum_bits,
            f"the different denominators of the pressures on a GPU have more than "
            f"{LIMITS.sum_bits:,} bits: round rates and SLOs",
            TimeoutError,
        )
        top, bottom = exact_sum(pressures)
        if top > 0:
            require(free[gpu] > 0, "a GPU is full and under pressure")
            # Pressure / free memory is at most the value: the same without a division.
            most = value * (free[gpu] * fleet.memory_unit)
            difference = top * most.denominator - bottom * most.numerator
            require(difference <= 0, wrong)
            reached = reached or difference == 0
    require(reached, wrong)
    return PASSED, "it is valid, and its max KVPR is the one claimed"


def exact_sum(numbers: Iterable[Fraction]) -> tuple[int, int]:
    """Add fractions, in pairs and without reducing them: denominators may be very long."""
    by_denominator: dict[int, int] = {}
    for x in numbers:
        by_denominator[x.denominator] = by_denominator.get(x.denominator, 0) + x.numerator
    parts = [(top, bottom) for bottom, top in by_denominator.items()]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        rest = parts[len(parts) & ~1 :]
        parts = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs] + rest
    return parts[0] if parts else (0, 1)


def check_constraints(constraints: Constraints, placement: Mapping[str, str]) -> None:
    """Refuse a placement that breaks a constraint."""
    for model, gpus in constraints.only.items():
        require(placement[model] in gpus, f"{model[:60]!a} is on a GPU where it may not run")
    for group in constraints.apart:
        different = len({placement[model] for model in group}) == len(group)
        require(different, "models that are to be apart share a GPU")
    for parts in constraints.together:
        one = len({constraints.nodes[placement[model]] for model in parts}) == 1
        require(one, "models that are to be in one node are not")
    for replicas in constraints.spread:
        nodes = [
            node
            for parts in replicas
            for node in {constraints.nodes[placement[model]] for model in parts}
        ]
        require(len(set(nodes)) == len(nodes), "replicas that are to be spread share a node")


def check_status(certificate: Certificate, outcomes: Sequence[str]) -> tuple[str, str]:
    """Check that the status follows from the placement and from the bounds that passed."""
    status, value = certificate.status, certificate.value
    graded = [(b.value, made) for b, made in zip(certificate.bounds, outcomes, strict=True)]
    contradicted = value is not None and any(at > value for at, _ in graded)
    require(not contradicted, "a bound exceeds the max KVPR")
    proved = [at for at, outcome in graded if outcome == PASSED]
    if _follows(status, value, proved):
        return PASSED, f"{status} follows from placement and bounds"
    believed = [at for at, outcome in graded if outcome != FAILED]
    if _follows(status, value, believed):
        return NOT_CHECKABLE, f"{status} follows from placement and bounds"
    raise ValueError(f"{status[:60]!a} does not follow from placement and bounds")


def _follows(status: str, value: Fraction | None, bounds: list[Fraction | float]) -> bool:
    best = max([0, *bounds])  # no KVPR is negative
    if status == "optimal":
        return value == best
    if status == "infeasible":
        return value is None and best == math.inf
    return (status == "feasible" and value is not None) or (status == "unknown" and value is None)


# -- all checks, in order ----------------------------------------------------------------------


def check(canonical_text: str, certificate_text: str, refute: Refute = refute) -> Report:
    """Check every claim of a certificate about a canonical fleet, that of a packing by `refute`."""
    name = "fleet"
    try:
        fleet = read_fleet(canonical_text)
        name = "certificate"
        certificate = read_certificate(certificate_text)
        free = is_free(fleet.constraints)
        wanted = CERTIFICATE_SCHEMA if free else CONSTRAINED_CERTIFICATE
        require(certificate.schema == wanted, f"its schema is not {wanted}, for this fleet")
        actual = hashlib.sha256(canonical_text.encode()).hexdigest()
        if certificate.digest != actual:
            return Report([Check("digest", FAILED, f"this fleet has another one, {actual}")], 5)
        checks = [Check("digest", PASSED, f"this fleet has the digest {actual}")]
        name = "placement"
        checks.append(_outcome(name, check_placement, fleet, certificate))
        for bound in certificate.bounds:
            name = f"bound {shown(bound.value)}"
            checks.append(_outcome(name, check_bound, fleet, bound, refute))
        name = "status"
        outcomes = [made.outcome for made in checks[2:]]
        checks.append(_outcome(name, check_status, certificate, outcomes))
    except (ValueError, RecursionError, TimeoutError) as error:
        return Report([Check(name, FAILED, str(error))], UNREADABLE)
    return Report(checks, max(EXIT_CODES[made.outcome] for made in checks))


def _outcome(name: str, finding: Callable[..., tuple[str, str]], *claim: Any) -> Check:
    try:
        return Check(name, *finding(*claim))
    except ValueError as refusal:
        return Check(name, FAILED, str(refusal))


def shown(value: Fraction | float) -> str:
    """A value in full where that is short, else in decimals and with its length."""
    if isinstance(value, float):
        return "infinite"
    digits = max(value.numerator, value.denominator).bit_length() * 3 // 10
    if digits <= 25:
        return str(value)
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    return f"{decimal:.7g} (a fraction of about {digits} digits)"


# -- relocations: placements within a budget of moves -------------------------------------------


class Relocation(NamedTuple):
    """The claim that `placement` is within the budget, and that nothing within it is better.

    A model of the fleet without a home runs nowhere yet: wherever it goes, that costs nothing.
    """

    digest: str
    home: dict[str, Any]
    costs: dict[str, Fraction]
    budget: Fraction
    value: Fraction | None
    placement: dict[str, Any] | None
    bounds: list[Bound]


def read_relocation(text: str) -> Relocation:
    """Read the certificate of a relocation; names are looked at with the claims."""
    claims = {"instance_sha256": str, "home": dict, "costs": dict, "budget": str}
    form = {**claims, "max_kvpr": str | None, "placement": dict | None, "bounds": list}
    _, digest, home, costs, budget, value, placement, bounds = load(text, [RELOCATION_SCHEMA], form)
    require(len(bounds) <= 2, "it has more than two bounds")
    pairs = [fields(bound, {"value": str, "proof": dict}) for bound in bounds]
    fields(costs, dict.fromkeys(costs, str))
    return Relocation(
        digest,
        home,
        {model: number(cost, LIMITS.fleet_digits) for model, cost in costs.items()},
        number(budget, LIMITS.kvpr_digits),
        None if value is None else number(value, LIMITS.kvpr_digits),
        placement,
        [Bound(_finite_or_not(at), proof) for at, proof in pairs],
    )


def check_homes(fleet: Fleet, relocation: Relocation) -> tuple[str, str]:
    """Check that homes and costs are those of models and GPUs of this fleet."""
    home, costs = relocation.home, relocation.costs
    fields(home, dict.fromkeys(home, str))
    for model, gpu in home.items():
        require(model in fleet.sizes, f"the fleet has no model {model[:60]!a}")
        require(gpu in fleet.capacities, f"the fleet has no GPU {gpu[:60]!a}")
    require(costs.keys() == fleet.sizes.keys(), "it does not have one cost for each model")
    return PASSED, f"{len(home)} of {len(fleet.sizes)} models run on GPUs of the fleet"


def check_cost(fleet: Fleet, relocation: Relocation) -> tuple[str, str]:
    """Check that the placement is one of this fleet, has the value, and is within the budget."""
    value, placement = relocation.value, relocation.placement
    claim = Certificate("", relocation.digest, "", value, placement, [])
    found = check_placement(fleet, claim)
    moved = [
        relocation.costs[model]
        for model, gpu in (placement or {}).items()
        if relocation.home.get(model, gpu) != gpu
    ]
    require(sum(moved) <= relocation.budget, "it costs more than the budget")
    return found if placement is None else (PASSED, f"{found[1]}; {len(moved)} models move")


def check_relocation_bound(
    fleet: Fleet, relocation: Relocation, bound: Bound, refute: Refute
) -> tuple[str, str]:
    """Lemma: what no placement is below, none within a budget is; other bounds count moves."""
    if bound.value == 0:
        return PASSED, "no KVPR is negative, whatever the proof says"
    proof = bound.proof
    if proof.get("kind") != "moves":
        return check_bound(fleet, bound, refute)
    whole = whole_fleet(fleet)
    return check_moves(whole, relocation, bound)


def check_moves(fleet: WholeFleet, relocation: Relocation, bound: Bound) -> tuple[str, str]:
    """Lemma: items do not fit within a budget if their points exceed what bins and moves allow.

    A model has v points at home, and v - p elsewhere, p being the largest whole number within
    price times its cost. Each GPU has a limit that no set of models which fits it exceeds. So the
    points v of a packing add up to at most all limits, and the p of the models that moved, which
    are at most price times budget. If all v are more than that, no packing is within the budget.
    A pinned model is on its GPU whatever it is worth there: at most `here`, all of them together.
    Models whose item has no size count like the others: where they go may cost a move.
    """
    form = dict.fromkeys(("kind", "models", "gpus", "price"), str)
    _, models, gpus, text = fields(bound.proof, form)
    items, capacities = packing(fleet, *threshold(fleet, bound.value))
    points = dict(zip(fleet.sizes, _whole_numbers(models, len(items)), strict=True))
    limits = dict(zip(fleet.capacities, _whole_numbers(gpus, len(capacities)), strict=True))
    price = number(text, LIMITS.fleet_digits)
    over = sum(points.values()) - sum(limits.values()) - price * relocation.budget
    require(over > 0, "the models have no more points than GPUs and moves allow")
    pinned = pinned_models(fleet.constraints)
    require_few_pairs(fleet)
    sizes = dict(zip(fleet.sizes, items, strict=True))
    rooms = dict(zip(fleet.capacities, capacities, strict=True))
    for model, gpu in pinned.items():
        rooms[gpu] -= sizes[model]
        sizes[model] = 0
    require(min(rooms.values()) >= 0, "what is pinned to a GPU is more than it can hold")
    group_of = largest_groups(fleet.constraints, pinned)
    free = [model for model in sizes if model not in pinned]
    lost = {model: int(price * cost) for model, cost in relocation.costs.items()}
    work = 0
    for gpu, room in rooms.items():
        worth = {
            model: v if relocation.home.get(model, gpu) == gpu else v - lost[model]
            for model, v in points.items()
        }
        here = sum(max(0, worth[model]) for model in pinned if pinned[model] == gpu)
        require(here <= limits[gpu], "models of more points than a GPU may hold fit it")
        bins = [(1, room, limits[gpu] - here)]
        stages: dict[str | int, list[Item]] = {}
        for model in allowed_models(gpu, free, fleet.constraints, pinned):
            if worth[model] > 0 and sizes[model] <= room:
                stage = stages.setdefault(group_of.get(model, model), [])
                stage.append((sizes[model], worth[model]))
        work += sum(map(len, stages.values())) * row_bytes(*_largest(bins))
        require(work <= LIMITS.row_work, "its points are too many: shorten it", TimeoutError)
        _no_choice_exceeds_its_limit([*stages.values()], bins)
    tied = fleet.constraints
    ignored = " (without: nodes)" if tied.together or tied.spread else ""
    more = f"the points of the models exceed what GPUs and moves allow by {over}"
    return PASSED, f"moves: {more}{ignored}"


def check_relocation(canonical_text: str, relocation_text: str, refute: Refute = refute) -> Report:
    """Check every claim of a relocation about a canonical fleet, as `check` does.

    With homes or costs of another fleet, the rest says nothing, and is not looked at.
    """
    name = "fleet"
    try:
        fleet = read_fleet(canonical_text)
        name = "certificate"
        relocation = read_relocation(relocation_text)
        actual = hashlib.sha256(canonical_text.encode()).hexdigest()
        if relocation.digest != actual:
            return Report([Check("digest", FAILED, f"this fleet has another one, {actual}")], 5)
        checks = [Check("digest", PASSED, f"this fleet has the digest {actual}")]
        name = "homes"
        checks.append(_outcome(name, check_homes, fleet, relocation))
        if checks[-1].outcome == FAILED:
            return Report(checks, EXIT_CODES[FAILED])
        name = "placement"
        checks.append(_outcome(name, check_cost, fleet, relocation))
        for bound in relocation.bounds:
            name = f"bound {shown(bound.value)}"
            checks.append(_outcome(name, check_relocation_bound, fleet, relocation, bound, refute))
            value = relocation.value
            if value is not None and bound.value > value:
                checks.append(Check(name, FAILED, "the bound exceeds the max KVPR"))
    except (ValueError, RecursionError, TimeoutError) as error:
        return Report([Check(name, FAILED, str(error))], UNREADABLE)
    return Report(checks, max(EXIT_CODES[made.outcome] for made in checks))


def check_either(canonical_text: str, text: str) -> Report:
    """Check a relocation where the text names that schema, and a certificate otherwise."""
    try:
        relocation = schema_of(parse(text)) == RELOCATION_SCHEMA
    except (ValueError, RecursionError):
        relocation = False  # neither: the check of a certificate says why
    return (check_relocation if relocation else check)(canonical_text, text)


# -- tricks for speed --------------------------------------------------------------------------
#
# 1. A row of numbers, as the least sizes of sets of 0, 1, 2, ... points or more, stands in a few
#    long integers, one for each bit of the numbers: in it, the highest bit is that of the first
#    number. Few operations on them do what the page says of each number, as an adder and a
#    comparator do in hardware.
# 2. A short row, and one of those that the search for patterns looks up, is one integer, of entries
#    of equally many bytes, the first one highest.
# 3. Where the table of all these rows would be too long, points are counted in units, those of
#    items and those that are lacking rounded up. The sizes are then too small rather than too
#    large, so nothing is missed; it only takes more steps.


def row_of_least_sizes(stages: Sequence[Sequence[Item]], most: int, room: int) -> list[int]:
    """Return the least sizes for 0 to `most` + 1 points; those above `room` are `room` + 1.

    They are those of sets with one item of each stage at most.
    """
    places, large = (1 << most + 2) - 1, room + 1
    row = [places >> 1 if large >> b & 1 else 0 for b in range(large.bit_length())]
    for stage in stages:
        before = row
        for size, points in stage:
            if size <= room:
                other, over = _added(before, size, points, places)
                row = _chosen(row, other, _below(other, row) & ~over)
    return row


def row_of_most_points(stages: Sequence[Sequence[Item]], most: int, room: int) -> list[int]:
    """Return the most points for sizes from 0 to `room`, of sets with one item of each stage.

    It fails if they have clearly more than `most`, which no set that fits is to have.
    """
    places = (1 << room + 1) - 1
    row = [0] * most.bit_length()
    for stage in stages:
        before = row
        for size, points in stage:
            if size <= room:
                require(points <= most, EXCEEDED)
                other, over = _added(before, points, size, places)
                require(not over & places >> size, EXCEEDED)
                row = _chosen(row, other, _below(row, other) & places >> size)
    return row


def _added(row: list[int], number: int, by: int, places: int) -> tuple[list[int], int]:
    """Return the row moved on by so many places, with the number added, and where that is over.

    Where the sum has more bits than the numbers of the row, these are missing.
    """
    added, carry = [], 0
    for b, bits in enumerate(row):
        bits >>= by
        if number >> b & 1:
            added.append(bits ^ carry ^ places)
            carry |= bits
        else:
            added.append(bits ^ carry)
            carry &= bits
    return added, carry


def _below(row: list[int], other: list[int]) -> int:
    """Return where the numbers of a row are below those of another: the last bit that differs."""
    below = 0
    for bits, others in zip(row, other, strict=True):
        below ^= (below ^ others) & (bits ^ others)
    return below


def _chosen(row: list[int], other: list[int], where: int) -> list[int]:
    """Return a row with the numbers of another one in some places."""
    return [bits ^ (bits ^ others) & where for bits, others in zip(row, other, strict=True)]


def _entry(row: list[int], place: int) -> int:
    """Return a number of a row, counted from its end."""
    return sum((bits >> place & 1) << b for b, bits in enumerate(row))


def row_bytes(most: int, room: int) -> int:
    """Return how many bytes the shortest row has, for a limit and a capacity.

    To begin with an integer takes as long as 1,000 bytes of it, in the way of 1. The way of 2 has
    one, but takes four times as long for each byte.
    """
    ways = (_bytes_in_one, _bytes_by_points, _bytes_by_size)
    return min(way(most, room) for way in ways)


def _bytes_by_points(most: int, room: int) -> int:
    return ((most + 9) // 8 + 1_000) * (room + 1).bit_length()


def _bytes_by_size(most: int, room: int) -> int:
    return ((room + 8) // 8 + 1_000) * max(1, most.bit_length())


def _bytes_in_one(most: int, room: int) -> int:
    return 4 * ((most + 2) * _entry_bytes(room) + 500)


def _entry_bytes(room: int) -> int:
    """Return how many bytes hold two sizes, with the highest bit 0."""
    return (2 * room).bit_length() // 8 + 1


def _largest(bins: Sequence[Bins]) -> tuple[int, int]:
    """Return the largest limit and the largest capacity."""
    return max(limit for _, _, limit in bins), max(capacity for _, capacity, _ in bins)


def rows_of_least_sizes(
    stages: Sequence[Sequence[Item]], most: int, room: int, unit: int
) -> Iterator[int]:
    """Yield the row of no stage, of the last one, of the last two, ..., of all."""
    width = _entry_bytes(room)
    entries, high = most // unit + 2, 8 * width - 1
    ones = int.from_bytes((1).to_bytes(width, "big") * entries, "big")
    tops = ones << high
    row = ones * (room + 1) - ((room + 1) << (high + 1) * (entries - 1))  # too large but for 0
    yield row
    for stage in reversed(stages):
        before = row
        for size, points in stage:
            # An item larger than the room changes nothing, and must not overflow an entry.
            if size <= room:
                # By how much it is more than with the item, below a bit that says whether it is.
                other = before >> (high + 1) * -(-points // unit)
                more = row + ones * ((1 << high) - size) - other
                marks = more & tops
                row -= more & (marks - (marks >> high))
        yield row


# -- the program -------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Read both files, print a line for each check, and return the exit code."""
    try:
        canonical, certificate = arguments
        texts = [_read(canonical), _read(certificate)]
    except (OSError, ValueError) as error:
        print(f"usage: python verify.py canonical.json certificate.json\n{error}", file=sys.stderr)
        return UNREADABLE
    canonical_text, certificate_text = texts
    report = check_either(canonical_text, certificate_text)
    print(*map(": ".join, report.checks), sep="\n")
    return report.exit_code


def _read(path: str) -> str:
    with open(path, "rb") as file:
        # One byte more than a file may have is enough to refuse it.
        return file.read(LIMITS.file_bytes + 1).decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
