"""The checker of certificates: one file, standard library only, nothing else of kvpr_opt.

    python verify.py canonical.json certificate.json

It believes neither the solvers nor the package that wrote the certificate: from the
canonical fleet alone it derives the packing problem that each bound is about, and
repeats the proof. docs/certificate.md explains the formats and the arguments.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

FLEET_SCHEMA = "kvpr-opt/canonical/1"
CERTIFICATE_SCHEMA = "kvpr-opt/certificate/1"
# A checker reads what strangers send: these limits bound its work.
MAX_BYTES = 10_000_000  # of a file
MAX_OBJECTS = 250_000  # opening brackets of a file, in names too
MAX_BOUNDS = 2
MAX_DIGITS = 200  # of the numerator and of the denominator of a number of the fleet
MAX_CLAIM_DIGITS = 20_000  # the same for a KVPR, which combines many numbers of the fleet
MAX_MEMORY_BITS = 4_000  # of the common denominator of memories and sizes
MAX_PRESSURE_BITS = 100_000_000  # of that of the pressures, once for each GPU and model
MAX_POINT_DIGITS = 6  # of the points of a model or GPU
MAX_TABLE_BITS = 30_000_000_000  # of a table of points and sizes, once for each model

Value = Fraction | float  # of a KVPR; as a float only math.inf
Data = dict[str, Any]


class Refused(ValueError):
    """The text is no certificate, or no canonical fleet, that this checker can read."""


class Rejected(ValueError):
    """A claim is false, or its proof does not prove it."""


class Outcome(Enum):
    """What a check came to; what rests on a solver's word is not checkable."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_CHECKABLE = "not checkable"


Finding = tuple[Outcome, str]


class Check(NamedTuple):
    """One claim of a certificate, what became of it, and why."""

    name: str
    outcome: Outcome
    detail: str


class Report(NamedTuple):
    """All checks of one certificate; not `readable` if it was refused before any claim."""

    checks: tuple[Check, ...]
    readable: bool = True

    @property
    def exit_code(self) -> int:
        """0: all proved; 3: something rests on a solver's word; 5: rejected; 2: unreadable."""
        outcomes = {check.outcome for check in self.checks}
        if Outcome.FAILED in outcomes:
            return 5 if self.readable else 2
        return 3 if Outcome.NOT_CHECKABLE in outcomes else 0

    def __str__(self) -> str:
        return "\n".join(f"{name}: {outcome.value}: {why}" for name, outcome, why in self.checks)


class Fleet(NamedTuple):
    """A fleet in whole units of memory and of pressure, by name."""

    digest: str
    capacities: dict[str, int]
    sizes: dict[str, int]
    pressures: dict[str, int]
    unit: Fraction  # the KVPR of one unit of pressure over one unit of memory


# -- reading ---------------------------------------------------------------------------


def _once(pairs: list[tuple[str, Any]]) -> Data:
    if len(found := dict(pairs)) < len(pairs):
        raise Refused("a key appears twice in one object")
    return found


def _load(text: str, schema: str) -> Data:
    if len(text) > MAX_BYTES or text.count("[") + text.count("{") > MAX_OBJECTS:
        raise Refused(f"it exceeds {MAX_BYTES} bytes, or {MAX_OBJECTS} lists and objects")
    try:
        text.encode()  # which half a surrogate pair does not survive
        # A JSON number becomes a float, however long it is, and no place accepts a float.
        data = json.loads(text, object_pairs_hook=_once, parse_int=float)
    except (json.JSONDecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Refused(f"it is not valid JSON: {error}") from None
    if not isinstance(data, dict) or data.get("schema") != schema:
        raise Refused(f"its schema is not {schema}, the one that this checker reads")
    return data


def _fields(value: Any, keys: str) -> list[Any]:
    if not isinstance(value, dict) or value.keys() != set(keys.split()):
        raise Refused(f"an object with exactly these keys is needed: {keys}")
    return [value[key] for key in keys.split()]


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise Refused(f"there is something else where a {kind.__name__} is needed")
    return value


def _number(value: Any, digits: int = MAX_CLAIM_DIGITS) -> Fraction:
    match = re.fullmatch("(0|[1-9][0-9]*)(?:/([1-9][0-9]*))?", _typed(value, str))
    if match and max(len(part or "") for part in match.groups()) <= digits:
        # Through Decimal, since int() reads no more than 4300 digits at once.
        numerator, denominator = (int(Decimal(part or "1")) for part in match.groups())
        if math.gcd(numerator, denominator) == 1 and match[2] != "1":
            return Fraction(numerator, denominator)
    raise Refused(f"{_short(value)!r} is no reduced fraction p/q with at most {digits} digits each")


def _points(value: Any) -> list[int]:
    parts = [part for part in _typed(value, str).split(" ") if len(part) <= MAX_POINT_DIGITS]
    points = [int(part) for part in parts if part.isdecimal()]
    if " ".join(map(str, points)) != value:
        raise Refused(f"whole numbers of at most {MAX_POINT_DIGITS} digits are needed as points")
    return points


def _short(value: str | Value) -> str:
    if isinstance(value, Fraction) and max(value.numerator, value.denominator) > 10**60:
        return "(a long fraction)"
    text = "infinite" if value == math.inf else str(value)
    return text if len(text) <= 80 else f"{text[:60]}..."


def _unit(numbers: Iterable[Fraction], bits: int) -> Fraction:
    """Return the largest unit of which all numbers are whole multiples."""
    common, multiple = 0, 1
    for number in numbers:
        common = math.gcd(common, number.numerator)
        multiple = math.lcm(multiple, number.denominator)
        if multiple.bit_length() > bits:
            raise Refused("the common denominator of its numbers is too long")
    return Fraction(common or 1, multiple)


def read_fleet(text: str) -> Fleet:
    """Read a canonical fleet, strictly: any other spelling of the same fleet is refused."""
    _, gpus, models, _ = _fields(_load(text, FLEET_SCHEMA), "schema gpus models constraints")
    gpu_rows = [_fields(gpu, "name memory") for gpu in _typed(gpus, list)]
    model_rows = [_fields(model, "name size pressure") for model in _typed(models, list)]
    memories = {_typed(name, str): _number(memory, MAX_DIGITS) for name, memory in gpu_rows}
    sizes = {_typed(name, str): _number(size, MAX_DIGITS) for name, size, _ in model_rows}
    pressures = {name: _number(pressure, MAX_DIGITS) for name, _, pressure in model_rows}
    gpus = [{"name": name, "memory": str(memories[name])} for name in memories]
    models = [{"name": n, "size": str(sizes[n]), "pressure": str(pressures[n])} for n in sizes]
    canonical = {"schema": FLEET_SCHEMA, "gpus": gpus, "models": models, "constraints": []}
    if not gpus or json.dumps(canonical, ensure_ascii=False, separators=(",", ":")) != text:
        raise Refused("it is not canonical: spelling, no GPU, a name twice, or constraints")
    memory_unit = _unit([*memories.values(), *sizes.values()], MAX_MEMORY_BITS)
    pressure_unit = _unit(pressures.values(), MAX_PRESSURE_BITS // (len(gpus) + len(models)))
    return Fleet(
        hashlib.sha256(text.encode()).hexdigest(),
        {name: int(memory / memory_unit) for name, memory in memories.items()},
        {name: int(size / memory_unit) for name, size in sizes.items()},
        {name: int(pressure / pressure_unit) for name, pressure in pressures.items()},
        pressure_unit / memory_unit,
    )


def read_certificate(text: str) -> Data:
    """Read a certificate, with numbers as fractions; whether its claims hold is another matter."""
    data = _load(text, CERTIFICATE_SCHEMA)
    _fields(data, "schema instance_sha256 status max_kvpr placement bounds")
    if data["status"] not in ("optimal", "feasible", "infeasible", "unknown"):
        raise Refused("its status is not optimal, feasible, infeasible or unknown")
    if data["max_kvpr"] is not None:
        data["max_kvpr"] = _number(data["max_kvpr"])
    placement = {} if data["placement"] is None else data["placement"]
    for text in (data["instance_sha256"], *_typed(placement, dict).values()):
        _typed(text, str)
    if len(_typed(data["bounds"], list)) > MAX_BOUNDS:
        raise Refused(f"it has more than {MAX_BOUNDS} bounds")
    for bound in data["bounds"]:
        value, proof = _fields(bound, "value proof")
        bound["value"] = math.inf if value == "infinite" else _number(value)
        if _typed(_typed(proof, dict).get("kind"), str) not in PROOFS:
            raise Refused(f"this checker knows only these kinds of proof: {', '.join(PROOFS)}")
    return data


# -- a bound: a packing problem that has no solution -----------------------------------


def below(p: int, q: int, largest: int) -> tuple[int, int]:
    """Return the largest fraction a/b strictly below p/q with b at most `largest`."""
    # Throughout, a/b < p/q <= c/d and b c - a d = 1, at first with the largest whole number
    # below p/q, and infinity. All fractions strictly between have denominators >= b + d.
    a, b, c, d = (p - 1) // q, 1, 1, 0
    under, over = p * b - a * q, c * q - p * d  # what a/b lacks, and what c/d has too much
    while b + d <= largest:
        # Lower c/d to (c + k a)/(d + k b) as far as it stays at or above p/q, then
        # raise a/b to (a + k c)/(b + k d) as far as it stays below.
        k = min(over // under, (largest - d) // b)
        c, d, over = c + k * a, d + k * b, over - k * under
        k = min((largest - b) // d, (under - 1) // over if over else largest)
        a, b, under = a + k * c, b + k * d, under - k * over
    return a, b


def threshold(fleet: Fleet, value: Value) -> tuple[int, int]:
    """Return the a/f, in units of the fleet, at most which is every KVPR below `value`."""
    everything = sum(fleet.pressures.values())
    if everything == 0:
        return 1, 0  # which stands for any KVPR: memory is all that counts
    if isinstance(value, float) or value / fleet.unit > everything:
        return everything, 1  # no finite KVPR exceeds all pressure over one unit of memory
    ratio = value / fleet.unit
    return below(ratio.numerator, ratio.denominator, max(1, *fleet.capacities.values()))


def packing(fleet: Fleet, a: int, f: int) -> tuple[dict[str, int], list[int]]:
    """Return the item sizes, by model, and the bin capacities that a threshold a/f means."""
    items = {name: f * fleet.pressures[name] + a * size for name, size in fleet.sizes.items()}
    # Multiples of `common` fit into a capacity if they fit into its largest multiple within.
    # A random mix, itself a multiple, changes only the time: after it, the gcd is small.
    mix = sum(random.getrandbits(64) * item for item in items.values())
    common = math.gcd(mix, *items.values()) or 1
    items = {name: item // common for name, item in items.items()}
    return items, [a * capacity // common for capacity in fleet.capacities.values()]


def _volume(fleet: Fleet, proof: Data, a: int, f: int) -> Finding:
    _fields(proof, "kind")
    items, capacities = packing(fleet, a, f)
    if sum(items.values()) <= sum(capacities):
        raise Rejected("all models together are not larger than all GPUs together")
    return Outcome.PASSED, "all models together are larger than all GPUs together"


def _counting(fleet: Fleet, proof: Data, a: int, f: int) -> Finding:
    names = [_typed(name, str) for name in _typed(_fields(proof, "kind models")[1], list)]
    if len(set(names)) < len(names) or not fleet.sizes.keys() >= set(names):
        raise Rejected("a model is listed twice, or is not in the fleet")
    items, capacities = packing(fleet, a, f)
    # The k-th entry is what k of these models take at least: a capacity holds at most
    # as many models as there are entries within it.
    least = list(accumulate(sorted(items[name] for name in names)))
    held = sum(bisect_right(least, capacity) for capacity in capacities)
    if held >= len(names):
        raise Rejected(f"counted singly, the GPUs could hold all {len(names)} models listed")
    return Outcome.PASSED, f"the GPUs hold at most {held} of the {len(names)} models listed"


def _dual(fleet: Fleet, proof: Data, a: int, f: int) -> Finding:
    _, by_model, by_type = _fields(proof, "kind models gpus")
    points, limits = _points(by_model), _points(by_type)
    items, capacities = packing(fleet, a, f)
    # GPUs of equal memory are one type; types stand in the order of their first GPUs.
    types = Counter(zip(fleet.capacities.values(), capacities, strict=True))
    if len(points) != len(items) or len(limits) != len(types):
        raise Rejected("it does not give one number to each model and to each type of GPU")
    offered, held = sum(points), sum(n * v for n, v in zip(types.values(), limits, strict=True))
    if offered <= held:
        raise Rejected(f"the models have {offered} points in all, and the GPUs may hold {held}")
    # Entry k of the table is the least size of a set of models with k points or more, at first
    # one that fits nowhere. The table is one long integer, an entry every `width` bits: a model
    # takes a few operations on all entries at once. No sum reaches the highest bit of an entry.
    entries, nowhere = max(limits) + 2, max(0, *capacities) + 1
    width = (2 * nowhere).bit_length() // 8 * 8 + 8
    if (len(points) + len(types) + 100) * entries * width > MAX_TABLE_BITS:
        raise Refused("a proof needs too large a table of points and sizes")
    ones = int.from_bytes((1).to_bytes(width // 8, "little") * entries, "little")
    highest, everything = ones << (width - 1), (1 << (width * entries)) - 1
    table = (ones - 1) * nowhere  # entry 0 is the empty set
    for size, worth in zip(items.values(), points, strict=True):
        taken = ((table << (width * min(worth, entries))) & everything) + ones * min(size, nowhere)
        marks = ((table | highest) - taken) & highest  # one where the new entry is not larger
        smaller = marks - (marks >> (width - 1))  # all other bits of the entries so marked
        table = (taken & smaller) | (table & ~smaller)
    for (_, capacity), limit in zip(types, limits, strict=True):
        if (table >> (width * (limit + 1))) & ((1 << width) - 1) <= capacity:
            raise Rejected(f"models of more than {limit} points fit a GPU that may hold no more")
    return Outcome.PASSED, f"the models have {offered} points, and the GPUs hold at most {held}"


def _solver(fleet: Fleet, proof: Data, a: int, f: int) -> Finding:
    _, who, version, refuted, settings = _fields(proof, "kind solver version threshold parameters")
    for text in (who, version, *_typed(settings, dict).values()):
        _typed(text, str)
    needed = Fraction(a, f) * fleet.unit if f else 0
    if refuted != "infinite" and _number(refuted) < needed:
        raise Rejected("the threshold that the solver refuted is too low for this bound")
    return Outcome.NOT_CHECKABLE, f"it rests on the word of {_short(who)!r} {_short(version)!r}"


# A new kind of proof is one function and one entry here.
PROOFS = {"volume": _volume, "counting": _counting, "dual": _dual, "solver": _solver}


# -- the checks ------------------------------------------------------------------------


def check(canonical_text: str, certificate_text: str) -> Report:
    """Check every claim of a certificate about a canonical fleet."""
    what = "fleet"
    try:
        fleet = read_fleet(canonical_text)
        what = "certificate"
        claims = read_certificate(certificate_text)
        same = Outcome.PASSED if claims["instance_sha256"] == fleet.digest else Outcome.FAILED
        checks = [Check("digest", same, f"this fleet has the digest {fleet.digest}")]
        checks.append(_attempt("placement", _placement, fleet, claims))
        for bound in claims["bounds"]:
            name = f"bound {_short(bound['value'])}"
            checks.append(_attempt(name, _bound, fleet, bound["value"], bound["proof"]))
        checks.append(_attempt("status", _status, claims, [made.outcome for made in checks[2:]]))
    except Refused as refusal:
        return Report((Check(what, Outcome.FAILED, str(refusal)),), readable=False)
    return Report(tuple(checks))


def _attempt(name: str, what: Callable[..., Finding], *arguments: Any) -> Check:
    try:
        return Check(name, *what(*arguments))
    except Rejected as rejection:
        return Check(name, Outcome.FAILED, str(rejection))


def _placement(fleet: Fleet, claims: Data) -> Finding:
    placement, claimed = claims["placement"], claims["max_kvpr"]
    if placement is None or claimed is None:
        if placement is claimed:
            return Outcome.PASSED, "none is claimed"
        raise Rejected("placement and max_kvpr need each other")
    for model in sorted(placement.keys() ^ fleet.sizes.keys()):
        raise Rejected(f"model {_short(model)!r} is not placed, or not in the fleet")
    free, pressure = dict(fleet.capacities), dict.fromkeys(fleet.capacities, 0)
    for model, gpu in placement.items():
        if gpu not in free:
            raise Rejected(f"the fleet has no GPU {_short(gpu)!r}")
        free[gpu] -= fleet.sizes[model]
        pressure[gpu] += fleet.pressures[model]
    most, over = 0, 1  # the largest KVPR so far, most / over, in units of the fleet
    for gpu, room in free.items():
        if room < 0 or (room == 0 and pressure[gpu]):
            raise Rejected(f"GPU {_short(gpu)!r} is overfull, or full and under pressure")
        if pressure[gpu] * over > most * room:  # not without pressure: KVPR is 0, even if 0/0
            most, over = pressure[gpu], room
    value = Fraction(most, over) * fleet.unit
    if value != claimed:
        raise Rejected(f"its max KVPR is {_short(value)}, not {_short(claimed)}")
    return Outcome.PASSED, f"it is valid and its max KVPR is {_short(value)}"


def _bound(fleet: Fleet, value: Value, proof: Data) -> Finding:
    outcome, detail = PROOFS[proof["kind"]](fleet, proof, *threshold(fleet, value))
    return outcome, f"{proof['kind']}: {detail}"


def _status(claims: Data, outcomes: Sequence[Outcome]) -> Finding:
    status, value = claims["status"], claims["max_kvpr"]
    bounds = [bound["value"] for bound in claims["bounds"]]
    if value is not None and any(bound > value for bound in bounds):
        raise Rejected("a bound exceeds the max KVPR of the placement")
    best: Value = Fraction(0)  # no pressure is negative
    for grade in (Outcome.PASSED, Outcome.NOT_CHECKABLE):  # first without any solver's word
        accepted = (bound for bound, made in zip(bounds, outcomes, strict=True) if made is grade)
        best = max([best, *accepted])
        follows = {
            "optimal": value == best,
            "feasible": value is not None,
            "infeasible": value is None and best == math.inf,
            "unknown": value is None,
        }
        if follows[status]:
            return grade, f"{status}, with {_short(best)} as the best bound"
    raise Rejected(f"{status} does not follow from placement and bounds")


def main(arguments: Sequence[str]) -> int:
    """Check the two files named on the command line; print the report, return the exit code."""
    texts = []
    try:
        for path in arguments:
            with open(path, "rb") as file:
                texts.append(file.read(MAX_BYTES + 1).decode())  # one byte more will be refused
        canonical_text, certificate_text = texts
    except (OSError, ValueError) as error:
        print(f"usage: python verify.py canonical.json certificate.json\n{error}", file=sys.stderr)
        return 2
    report = check(canonical_text, certificate_text)
    encoding = sys.stdout.encoding or "ascii"  # which may not have the letters of a name
    print(str(report).encode(encoding, "backslashreplace").decode(encoding))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
