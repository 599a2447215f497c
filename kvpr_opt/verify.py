"""The checker of certificates: one file, standard library only, nothing else of kvpr_opt.

    python verify.py canonical.json certificate.json

It believes nothing that wrote the certificate: from the fleet alone it derives the packing
problem of each bound, and repeats the proof. docs/certificate.md explains all arguments.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

FLEET_SCHEMA, CERTIFICATE_SCHEMA = "kvpr-opt/canonical/1", "kvpr-opt/certificate/1"
PASSED, FAILED, NOT_CHECKABLE = "passed", "FAILED", "not checkable"
# A checker reads what strangers send: these limits bound its work.
MAX_BYTES, MAX_OBJECTS = 10_000_000, 250_000  # of a file; opening brackets in it, names included
MAX_DIGITS, MAX_CLAIM_DIGITS = 200, 20_000  # above and below, of numbers of a fleet; of a KVPR
MAX_MEMORY_BITS, MAX_PRESSURE_BITS = 4_000, 100_000_000  # denominators; times GPUs and models
MAX_TABLE, MAX_STEPS = 60_000_000, 3_000_000  # bytes, and steps, to find the sets of a proof
MAX_SETS, MAX_CASES = 20_000, 100_000  # that a tree may choose from, and distinguish
MAX_BOUNDS, MAX_POINT_DIGITS = 2, 9  # of a certificate; of points

Finding = tuple[str, str]  # an outcome, and why
Item = tuple[int, int]  # its size and its points
Bins = tuple[int, int, int]  # how many of them there are, their capacity and their points
Pattern = tuple[int, Counter[Item]]  # the points that it wastes, and what it holds


class Refused(ValueError):
    """A text is not in form, a claim is false, or a proof does not prove it."""


class Exceeded(Refused):
    """A proof takes more work than this checker does."""


class Check(NamedTuple):
    """One claim of a certificate, what became of it, and why."""

    name: str
    outcome: str
    detail: str


class Report(NamedTuple):
    """Checks, and 0: all proved; 3: but for a solver's word; 5: rejected; 2: unreadable."""

    checks: list[Check]
    exit_code: int

    @property
    def readable(self) -> bool:
        """Whether the claims were looked at."""
        return self.exit_code != 2

    def __str__(self) -> str:
        return "\n".join(f"{name}: {outcome}: {why}" for name, outcome, why in self.checks)


class Fleet(NamedTuple):
    """A fleet in whole units of memory and of pressure, by name."""

    capacities: dict[str, int]
    sizes: dict[str, int]
    pressures: dict[str, int]
    unit: Fraction  # the KVPR of one unit of pressure over one unit of memory


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise Refused("a key appears twice in one object")
    return found


def _load(text: str, schema: str, **types: Any) -> list[Any]:
    if len(text) > MAX_BYTES or text.count("[") + text.count("{") > MAX_OBJECTS:
        raise Refused(f"it exceeds {MAX_BYTES} bytes, or {MAX_OBJECTS} lists and objects")
    try:
        # A JSON number becomes a float, however long it is, and no place accepts a float.
        data = json.loads(text, object_pairs_hook=_once, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise Refused(f"it is not valid JSON: {error}") from None
    if not isinstance(data, dict) or data.pop("schema", None) != schema:
        raise Refused(f"its schema is not {schema}, the one that this checker reads")
    return _fields(data, **types)


def _fields(data: Any, /, **types: Any) -> list[Any]:
    if not isinstance(data, dict) or data.keys() != types.keys():
        raise Refused(f"an object is needed with these keys only: {', '.join(types)}"[:200])
    if wrong := [key for key in types if not isinstance(data[key], types[key])]:
        raise Refused(f"{wrong[0][:60]!r} is of a wrong type")
    return [data[key] for key in types]


def _number(text: str, digits: int = MAX_CLAIM_DIGITS) -> Fraction:
    match = re.fullmatch("(0|[1-9][0-9]*)(?:/([1-9][0-9]*))?", text)
    if match and max(len(part or "") for part in match.groups()) <= digits:
        # Through Decimal, since int() reads no more than 4300 digits at once.
        numerator, denominator = (int(Decimal(part or "1")) for part in match.groups())
        if math.gcd(numerator, denominator) == 1 and match[2] != "1":
            return Fraction(numerator, denominator)
    raise Refused(f"{text[:60]!r} is no reduced fraction p/q with at most {digits} digits each")


def _in_units(bits: int, *groups: dict[str, Fraction]) -> tuple[Any, ...]:
    """Return the groups as multiples of the largest unit that allows it, and the unit."""
    numbers = [number for group in groups for number in group.values()]
    denominators = {number.denominator for number in numbers}
    if sum(denominator.bit_length() for denominator in denominators) > bits:
        raise Refused("the denominators of its numbers are too long")
    unit = Fraction(math.gcd(*(x.numerator for x in numbers)) or 1, math.lcm(*denominators))
    return *({name: int(x / unit) for name, x in group.items()} for group in groups), unit


def read_fleet(text: str) -> Fleet:
    """Read a canonical fleet; the same fleet in another spelling has another digest."""
    gpus, models, more = _load(text, FLEET_SCHEMA, gpus=list, models=list, constraints=list)
    gpus = [_fields(gpu, name=str, memory=str) for gpu in gpus]
    models = [_fields(model, name=str, size=str, pressure=str) for model in models]
    memories = {name: _number(memory, MAX_DIGITS) for name, memory in gpus}
    sizes = {name: _number(size, MAX_DIGITS) for name, size, _ in models}
    pressures = {name: _number(pressure, MAX_DIGITS) for name, _, pressure in models}
    if more or not gpus or (len(memories), len(sizes)) != (len(gpus), len(models)):
        raise Refused("it has constraints, which are not known here, no GPU, or a name twice")
    capacities, sizes, memory = _in_units(MAX_MEMORY_BITS, memories, sizes)
    pressures, pressure = _in_units(MAX_PRESSURE_BITS // (len(gpus) + len(models)), pressures)
    return Fleet(capacities, sizes, pressures, pressure / memory)


def read_certificate(text: str) -> list[Any]:
    """Read digest, status, value (or None), placement, and value, text and proof of each bound."""
    maybe = {"max_kvpr": (str, type(None)), "placement": (dict, type(None)), "bounds": list}
    claims = _load(text, CERTIFICATE_SCHEMA, instance_sha256=str, status=str, **maybe)
    digest, status, value, placement, bounds = claims
    if len(bounds) > MAX_BOUNDS:
        raise Refused(f"it has more than {MAX_BOUNDS} bounds")
    bounds = [_fields(bound, value=str, proof=dict) for bound in bounds]
    values = [math.inf if text == "infinite" else _number(text) for text, _ in bounds]
    bounds = [(value, *bound) for value, bound in zip(values, bounds, strict=True)]
    return [digest, status, None if value is None else _number(value), placement, bounds]


def threshold(fleet: Fleet, value: Fraction | float) -> tuple[int, int]:
    """Return the a/f, in units of the fleet, at most which is every KVPR below `value`."""
    everything, largest = sum(fleet.pressures.values()), max(1, *fleet.capacities.values())
    if everything == 0:
        return 1, 0  # which stands for any KVPR: memory is all that counts
    if isinstance(value, float) or value / fleet.unit > everything:
        return everything, 1  # no finite KVPR exceeds all pressure over one unit of memory
    near = (value / fleet.unit).limit_denominator(largest)
    p, q = near.numerator, near.denominator
    if near < value / fleet.unit:
        return p, q  # the nearest of all such fractions, so the largest one below
    # No other lies from the value up to p/q. Those next below p/q are p/q - 1/(f q), that
    # is a/f with p f - 1 = a q: every q-th f will do, and the largest is best.
    f = pow(p, -1, q)
    f += (largest - f) // q * q
    return (p * f - 1) // q, f


def packing(fleet: Fleet, a: int, f: int) -> tuple[list[int], list[int]]:
    """Return the item sizes, by model, and the bin capacities that a threshold a/f means."""
    pairs = zip(fleet.pressures.values(), fleet.sizes.values(), strict=True)
    items = [f * pressure + a * size for pressure, size in pairs]
    # Multiples of `common` fit into a capacity if they fit into its largest multiple within.
    common = math.gcd(*items) or 1
    return [x // common for x in items], [a * c // common for c in fleet.capacities.values()]


def refute(items: Iterable[Item], bins: Sequence[Bins], cases: int, steps: int = MAX_STEPS) -> str:
    """Prove that items (size, points) do not fit bins (number, capacity, points); or refuse."""
    rest = Counter(item for item in items if item[0])  # what has no size fits anywhere
    spare = sum(n * most for n, _, most in bins) - sum(n * each[1] for each, n in rest.items())
    if spare >= 0 and not cases:
        raise Refused(f"the models have no more points than the GPUs may hold, by {spare}")
    patterns = list(islice(_patterns(rest, bins, max(spare, -1), steps), MAX_SETS + 1))
    if any(waste < 0 for waste, _ in patterns):
        raise Refused("models of more points than a GPU may hold fit it")
    if len(patterns) > MAX_SETS:
        raise Exceeded(f"there are more than {MAX_SETS} sets of models to choose from")
    if spare < 0:
        return f"the points of the models exceed what the GPUs can hold by {-spare}"
    rest.update({(0, kind): number for kind, (number, _, _) in enumerate(bins)})
    tried = _tried(sorted(patterns, key=lambda pattern: pattern[0]), rest, spare, cases)
    return f"{spare} points may be lost, {len(patterns)} sets lose no more, and {tried} cases fail"


def _patterns(
    rest: Counter[Item], bins: Sequence[Bins], spare: int, steps: int
) -> Iterator[Pattern]:
    """Yield what fits a bin and wastes at most `spare` of its points: the waste, and the items.

    A pattern also holds the item (0, k), for a bin of kind k.
    """
    room, top = max(capacity for _, capacity, _ in bins), max(most for _, _, most in bins)
    copies = (repeat(item, min(number, room // item[0])) for item, number in rest.items())
    items = sorted(chain(*copies), reverse=True)
    # rows[i] lists the least size of items from the i-th on with 0, 1, 2, ... units of points,
    # those of an item rounded up; in one long integer, so that few operations change them all.
    width = (2 * room + 2).bit_length() // 8 + 1  # bytes of an entry: its highest bit stays 0
    unit = 1 + top * (len(items) + 50) * width // MAX_TABLE
    entries = top // unit + 2
    length, high = entries * width, 8 * width - 1
    ones = int.from_bytes((1).to_bytes(width, "little") * entries, "little")
    row = (ones - 1) * (room + 1)  # of no items: 0 for no points, and too large for more
    rows = [row.to_bytes(length, "little")]
    for size, points in reversed(items):
        free = min(-(-points // unit), entries)
        taken = ((row << 8 * width * free) & ((1 << 8 * length) - 1)) + ones * size
        marks = (((row | ones << high) - taken) >> high) & ones  # of entries not below those taken
        row ^= (row ^ taken) & ((marks << high) - marks)
        rows.append(row.to_bytes(length, "little"))
    rows.reverse()
    for kind, (_, capacity, most) in enumerate(bins):
        stack: list[tuple[int, int, int, tuple[Item, ...]]] = [(0, capacity, most - spare, ())]
        while stack:
            first, room, wanted, held = stack.pop()
            if wanted <= 0:
                yield wanted + spare, Counter([*held, (0, kind)])
            at = max(0, -(-wanted // unit)) * width
            for i in range(first, len(items)):
                if int.from_bytes(rows[i][at : at + width], "little") > room:
                    break  # the items left are too large for the points wanted
                if (steps := steps - 1) < 0:
                    raise Exceeded("it takes too many steps to find the sets of models")
                size, points = item = items[i]
                if size <= room and (i == first or item != items[i - 1]):
                    stack.append((i + 1, room - size, wanted - points, (*held, item)))


def _tried(patterns: list[Pattern], rest: Counter[Item], spare: int, most: int) -> int:
    """Return in how many cases no choice of patterns holds all items; refuse if one does."""
    # Bits of integers stand for patterns: those with an item, and with more of it than are left.
    having, exceeding = Counter[Item](), Counter[tuple[Item, int]]()
    for place, (_, held) in enumerate(patterns):
        for item, copies in held.items():
            having[item] |= 1 << place
            for number in range(copies):
                exceeding[item, number] |= 1 << place
    wastes, tried, stack = [waste for waste, _ in patterns], 0, [(dict(rest), spare, -1)]
    while stack:
        needed, spare, usable = stack.pop()
        usable &= (1 << bisect_right(wastes, spare)) - 1
        choices = [usable & having[item] for item in needed if item[0]]
        if not choices:
            raise Refused("as far as the points can tell, the models fit the GPUs")
        if (tried := tried + 1) > most:
            raise Exceeded(f"there are more than {most} cases")
        # One of the patterns with the rarest item is needed: a case for each.
        choice = min(choices, key=int.bit_count)
        while choice:
            place = choice.bit_length() - 1
            left, still = needed.copy(), usable
            for item, copies in patterns[place][1].items():
                left[item] -= copies
                still &= ~exceeding[item, left[item]]
            kept = {item: number for item, number in left.items() if number}
            stack.append((kept, spare - wastes[place], still))
            choice ^= 1 << place
            usable ^= 1 << place  # the cases that follow do without it
    return tried


def _bound(fleet: Fleet, value: Fraction | float, proof: dict[str, Any]) -> Finding:
    if value == 0:
        return PASSED, "no KVPR is negative, whatever the proof says"
    a, f = threshold(fleet, value)
    items, capacities = packing(fleet, a, f)
    if (kind := proof.get("kind")) == "volume":
        _fields(proof, kind=str)
        if sum(items) <= sum(capacities):
            raise Refused("all models together are not larger than all GPUs together")
        return PASSED, "volume: all models together are larger than all GPUs together"
    if kind in ("dual", "tree"):
        _, *texts = _fields(proof, kind=str, models=str, gpus=str)
        # GPUs of equal memory are one type; types stand in the order of their first GPUs.
        types = Counter(zip(fleet.capacities.values(), capacities, strict=True))
        points, limits = (text.split(" ") for text in texts)
        if "/" in "".join(texts) or (len(points), len(limits)) != (len(items), len(types)):
            raise Refused("it does not give a whole number to each model and each type of GPU")
        points, limits = ([int(_number(x, MAX_POINT_DIGITS)) for x in p] for p in (points, limits))
        bins = [(n, c, most) for ((_, c), n), most in zip(types.items(), limits, strict=True)]
        cases = MAX_CASES if kind == "tree" else 0
        return PASSED, f"{kind}: {refute(zip(items, points, strict=True), bins, cases)}"
    if kind != "solver":
        raise Refused("this checker knows only proofs of the kinds volume, dual, tree and solver")
    text = dict.fromkeys(("kind", "solver", "version", "threshold"), str)
    _, who, version, said, settings = _fields(proof, **text, parameters=dict)
    _fields(settings, **dict.fromkeys(settings, str))
    if f and said != "infinite" and _number(said) < Fraction(a, f) * fleet.unit:
        raise Refused("the threshold that the solver refuted is too low for this bound")
    return NOT_CHECKABLE, f"solver: it rests on the word of {who[:60]!r} {version[:60]!r}"


def _placement(fleet: Fleet, value: Fraction | None, placement: Any) -> Finding:
    if value is None and placement is None:
        return PASSED, "none is claimed"
    _fields(placement, **dict.fromkeys(fleet.sizes, str))
    free, pressure = fleet.capacities.copy(), dict.fromkeys(fleet.capacities, 0)
    for model, gpu in placement.items():
        if gpu not in free:
            raise Refused(f"the fleet has no GPU {gpu[:60]!r}")
        free[gpu] -= fleet.sizes[model]
        pressure[gpu] += fleet.pressures[model]
    if any(room < 0 or (room == 0 and pressure[gpu]) for gpu, room in free.items()):
        raise Refused("a GPU is overfull, or full and under pressure")
    # Without pressure, the KVPR is 0 even on a full GPU.
    ratios = (Fraction(pressure[gpu], room) for gpu, room in free.items() if pressure[gpu])
    if max(ratios, default=Fraction(0)) * fleet.unit != value:
        raise Refused("its max KVPR is not the one claimed")
    return PASSED, "it is valid, and its max KVPR is the one claimed"


def _status(
    _: Fleet, status: str, value: Fraction | None, bounds: list[Any], checks: list[Check]
) -> Finding:
    if value is not None and any(bound > value for bound, *_ in bounds):
        raise Refused("a bound exceeds the max KVPR of the placement")
    best: Fraction | float = Fraction(0)  # no pressure is negative
    for grade in (PASSED, NOT_CHECKABLE):  # first without any solver's word
        graded = zip(bounds, checks[2:], strict=True)
        best = max([best, *(bound[0] for bound, made in graded if made.outcome == grade)])
        follows = {"optimal": value == best, "infeasible": best == math.inf}
        if (follows | {"feasible": value is not None, "unknown": value is None}).get(status):
            return grade, f"{status} follows from placement and bounds"
    raise Refused(f"{status[:60]!r} does not follow from placement and bounds")


def check(canonical_text: str, certificate_text: str) -> Report:
    """Check every claim of a certificate about a canonical fleet."""
    name = "fleet"
    try:
        fleet = read_fleet(canonical_text)
        name = "certificate"
        digest, status, value, placement, bounds = read_certificate(certificate_text)
    except Refused as refusal:
        return Report([Check(name, FAILED, str(refusal))], 2)
    actual = hashlib.sha256(canonical_text.encode(errors="surrogatepass")).hexdigest()
    if digest != actual:
        return Report([Check("digest", FAILED, f"this fleet has another one, {actual}")], 5)
    checks = [Check("digest", PASSED, f"this fleet has the digest {actual}")]
    claims: list[Any] = [("placement", _placement, (value, placement))]
    claims += [(f"bound {text[:60]}", _bound, (at, proof)) for at, text, proof in bounds]
    claims += [("status", _status, (status, value, bounds, checks))]
    for name, finding, claim in claims:
        try:
            checks.append(Check(name, *finding(fleet, *claim)))
        except Exceeded as limit:
            return Report([Check(name, FAILED, str(limit))], 2)
        except Refused as refusal:
            checks.append(Check(name, FAILED, str(refusal)))
    outcomes = {made.outcome for made in checks}
    return Report(checks, 5 if FAILED in outcomes else 3 if NOT_CHECKABLE in outcomes else 0)


def main(paths: Sequence[str]) -> int:
    """Check the two files named on the command line; print the report, return the exit code."""
    try:
        # One byte more than a file may have is enough to refuse it.
        texts = []
        for path in paths:
            with open(path, "rb") as file:
                texts.append(file.read(MAX_BYTES + 1).decode())
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
