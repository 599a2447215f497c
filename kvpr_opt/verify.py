"""The checker of certificates, called as python verify.py canonical.json certificate.json.

One file, standard library only. It believes nothing that wrote the certificate: from the fleet it
derives the packing problem of each bound, and repeats the proof, as docs/certificate.md explains.
"""

import hashlib
import json
import math
import re
import sys
from bisect import bisect_right
from collections import Counter, deque, namedtuple
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

FLEET_SCHEMA, CERTIFICATE_SCHEMA = "kvpr-opt/canonical/1", "kvpr-opt/certificate/1"
PASSED, FAILED, NOT_CHECKABLE = "passed", "FAILED", "not checkable"
# A checker reads what strangers send: these limits bound its work.
MAX_BYTES, MAX_OBJECTS = 10_000_000, 250_000  # of a file; opening brackets in it, names included
MAX_DIGITS, MAX_CLAIM_DIGITS, MAX_POINT_DIGITS = 200, 20_000, 9  # of a fleet; a KVPR; points
MAX_MEMORY_BITS, MAX_PRESSURE_BITS = 4_000, 100_000_000  # denominators; times GPUs and models
MAX_ROW, MAX_WORK = 40_000_000, 2_500_000_000  # bytes for points alone; times the items
MAX_TABLE, MAX_STEPS = 15_000_000, 3_000_000  # bytes, and steps, to find the sets of a proof
MAX_SETS, MAX_CASES = 20_000, 100_000  # that a tree may choose from, and distinguish
Item = tuple[int, int]  # its size and its points
Bins = tuple[int, int, int]  # how many of them there are, their capacity and their points
Fleet = namedtuple("Fleet", "capacities sizes pressures unit")  # unit: the KVPR of 1 over 1
Check = namedtuple("Check", "name outcome detail")
# 0: all is proved; 3: but for a solver's word; 5: rejected; 2: unreadable.
Report = namedtuple("Report", "checks exit_code")


def _need(condition: object, message: str, error: type[Exception] = ValueError) -> None:
    """Refuse, by a ValueError, or by a TimeoutError what takes more work than is done here."""
    if not condition:
        raise error(message)


def _load(text: str, schema: str, **types: Any) -> list[Any]:
    _need(len(text) <= MAX_BYTES, f"it has more than {MAX_BYTES} bytes")
    _need(sum(map(text.count, "[{")) <= MAX_OBJECTS, f"it has more than {MAX_OBJECTS} brackets")
    # No place accepts a float. JSON numbers become floats, and objects that have a key twice.
    data = json.loads(text, object_pairs_hook=_once, parse_int=float)
    _need(isinstance(data, dict) and data.pop("schema", 0) == schema, f"its schema is not {schema}")
    return _fields(data, **types)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any] | float:
    return found if len(found := dict(pairs)) == len(pairs) else math.nan


def _fields(data: Any, /, **types: Any) -> list[Any]:
    right = isinstance(data, dict) and data.keys() == types.keys()
    right = right and all(isinstance(data[key], types[key]) for key in types)
    _need(right, f"an object needs exactly these keys, once, of the right type: {[*types]!a}"[:200])
    return [data[key] for key in types]


def _number(text: str, digits: int = MAX_CLAIM_DIGITS) -> Fraction:
    match = re.fullmatch("(0|[1-9][0-9]*)(?:/([1-9][0-9]*))?", text)
    # Through Decimal, since int() reads no more than 4300 digits at once.
    parts = [int(Decimal(x)) for x in match.groups("1") if len(x) <= digits] if match else []
    reduced = len(parts) == 2 and math.gcd(*parts) == 1 and not text.endswith("/1")
    _need(reduced, f"{text[:60]!a} is no reduced fraction p/q with at most {digits} digits each")
    return Fraction(*parts)


def _in_units(bits: int, *groups: dict[str, Fraction]) -> tuple[Any, ...]:
    """Return the groups as multiples of the largest unit that allows it, and the unit."""
    numbers = [number for group in groups for number in group.values()]
    denominators = {number.denominator for number in numbers}
    _need(sum(map(int.bit_length, denominators)) <= bits, "its denominators are too long")
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
    _need(gpus and not more, "it has no GPU, or constraints, which are not known here")
    _need((len(memories), len(sizes)) == (len(gpus), len(models)), "it has a name twice")
    capacities, sizes, memory = _in_units(MAX_MEMORY_BITS, memories, sizes)
    pressures, pressure = _in_units(MAX_PRESSURE_BITS // (len(gpus) + len(models)), pressures)
    return Fleet(capacities, sizes, pressures, pressure / memory)


def read_certificate(text: str) -> list[Any]:
    """Read digest, status, value (or None), placement, and value, text and proof of each bound."""
    form = {"instance_sha256": str, "status": str, "max_kvpr": str | None, "placement": dict | None}
    *claims, value, placement, bounds = _load(text, CERTIFICATE_SCHEMA, **form, bounds=list)
    _need(len(bounds) <= 2, "it has more than two bounds")
    pairs = [_fields(bound, value=str, proof=dict) for bound in bounds]
    bounds = [(math.inf if v == "infinite" else _number(v), v, proof) for v, proof in pairs]
    return [*claims, None if value is None else _number(value), placement, bounds]


def threshold(fleet: Fleet, value: Fraction | float) -> tuple[int, int]:
    """Return the a/f, in units of the fleet, at most which is every KVPR below `value`."""
    everything, largest = sum(fleet.pressures.values()), max(1, *fleet.capacities.values())
    if everything == 0:
        return 1, 0  # which stands for any KVPR: memory is all that counts
    if isinstance(value, float) or value / fleet.unit > everything:
        return everything, 1  # no finite KVPR exceeds all pressure over one unit of memory
    p, q = (near := (value / fleet.unit).limit_denominator(largest)).as_integer_ratio()
    if near < value / fleet.unit:
        return p, q  # the nearest of all such fractions, so the largest one below
    # No other lies from the value up to p/q. Those next below p/q are p/q - 1/(f q), that
    # is a/f with p f - 1 = a q: every q-th f will do, and the largest is best.
    f = largest - (largest - pow(p, -1, q)) % q
    return (p * f - 1) // q, f


def packing(fleet: Fleet, a: int, f: int) -> tuple[list[int], list[int]]:
    """Return the item sizes, by model, and the bin capacities that a threshold a/f means."""
    items = [f * fleet.pressures[model] + a * size for model, size in fleet.sizes.items()]
    # Multiples of `common` fit into a capacity if they fit into its largest multiple within.
    common = math.gcd(*items) or 1
    return [x // common for x in items], [a * c // common for c in fleet.capacities.values()]


def refute(items: Iterable[Item], bins: Sequence[Bins], cases: int, steps: int = MAX_STEPS) -> str:
    """Prove that items (size, points) do not fit bins (number, capacity, points); or refuse."""
    rest = Counter(item for item in items if item[0])  # what has no size fits anywhere
    spare = sum(n * most for n, _, most in bins) - sum(n * each[1] for each, n in rest.items())
    _need(spare < 0 or cases, f"the models have no more points than GPUs may hold, by {spare}")
    room, top = max(capacity for _, capacity, _ in bins), max(most for _, _, most in bins)
    fitting = sorted(Counter({x: min(n, room // x[0]) for x, n in rest.items()}).elements())[::-1]
    width = (2 * room).bit_length() // 8 + 1  # bytes of two sizes, of which the highest bit is 0
    row, work = (top + 2) * width, MAX_WORK * steps // MAX_STEPS
    # Without points to spare, a row says whether any set has too many; else sets are searched for.
    alone = spare < 0 and row <= MAX_ROW and row * len(fitting) <= work
    unit = 1 if alone else 1 + top * (len(fitting) + 50) * width // MAX_TABLE
    table = _rows(fitting, room, top, width, unit, 1 if alone else None)
    patterns: list[Any] = []  # waste, and contents: items, and (0, k) for a bin of kind k
    for kind, (_, capacity, most) in enumerate(bins):
        stack: list[Any] = [(0, capacity, most - max(spare, -1), ())]
        while stack:
            first, room, wanted, held = stack.pop()
            if wanted <= 0:
                _need(wanted + spare >= 0, "models of more points than a GPU may hold fit it")
                patterns.append((wanted + spare, Counter([*held, (0, kind)])))
            _need(len(patterns) <= MAX_SETS, f"there are more than {MAX_SETS} sets", TimeoutError)
            at = max(0, -(-wanted // unit)) * width
            for i in range(first, len(fitting)):
                if int.from_bytes(table[-1 - i][at : at + width], "big") > room:
                    break  # the items left are too large for the points wanted
                _need(not alone, "models of more points than a GPU may hold fit it")
                _need((steps := steps - 1) >= 0, "it takes too many steps", TimeoutError)
                size, points = item = fitting[i]
                if size <= room and (i == first or item != fitting[i - 1]):
                    stack.append((i + 1, room - size, wanted - points, (*held, item)))
    if spare < 0:
        return f"the points of the models exceed what the GPUs can hold by {-spare}"
    rest.update({(0, kind): number for kind, (number, _, _) in enumerate(bins)})
    tried = _tried(sorted(patterns, key=lambda pattern: pattern[0]), rest, spare, cases)
    return f"{spare} points may be lost, {len(patterns)} sets lose no more, and {tried} cases fail"


def _rows(items: list[Item], room: int, top: int, width: int, unit: int, kept: Any) -> list[bytes]:
    """List the least sizes of 0, 1, ... units of points or more: of no item, the last, ..., all."""
    # One long integer has them all, the first one highest, so that few operations change them.
    entries, high = top // unit + 2, 8 * width - 1
    ones = int.from_bytes((1).to_bytes(width, "big") * entries, "big")
    tops = ones << high
    row = ones * (room + 1) - ((room + 1) << (high + 1) * (entries - 1))  # too large but for 0
    rows = deque([row], kept)
    for size, points in reversed(items):
        # By how much it is more than with the item, below a highest bit that says whether it is.
        more = row + ones * ((1 << high) - size) - (row >> (high + 1) * -(-points // unit))
        marks = more & tops
        row -= more & (marks - (marks >> high))
        rows.append(row)
    return [row.to_bytes(entries * width, "big") for row in rows]


def _tried(patterns: list[Any], rest: Counter[Item], spare: int, most: int) -> int:
    """Return in how many cases no choice of patterns holds all items; refuse if one does."""
    # Bits of integers stand for patterns: those that hold more than so many of an item.
    wastes, holding = [waste for waste, _ in patterns], Counter[tuple[Item, int]]()
    for place, (_, held) in enumerate(patterns):
        for entry in [(item, n) for item, copies in held.items() for n in range(copies)]:
            holding[entry] |= 1 << place
    tried, stack = 0, [(rest, spare, -1)]
    while stack:
        needed, spare, usable = stack.pop()
        usable &= (1 << bisect_right(wastes, spare)) - 1
        choices = [usable & holding[item, 0] for item in needed if item[0]]
        _need(choices, "as far as the points can tell, the models fit the GPUs")
        _need((tried := tried + 1) <= most, f"there are more than {most} cases", TimeoutError)
        # One of the patterns with the rarest item is needed: a case for each.
        choice = min(choices, key=int.bit_count)
        while choice:
            place = choice.bit_length() - 1
            left, still = needed - patterns[place][1], usable
            for item in patterns[place][1]:
                still &= ~holding[item, left[item]]
            stack.append((left, spare - wastes[place], still))
            choice ^= 1 << place
            usable ^= 1 << place  # the cases that follow do without it
    return tried


def _bound(refute: Any, fleet: Fleet, value: Any, _: str, proof: Any) -> tuple[str, str]:
    if value == 0:
        return PASSED, "no KVPR is negative, whatever the proof says"
    a, f = threshold(fleet, value)
    items, capacities = packing(fleet, a, f)
    if (kind := proof.get("kind")) == "volume":
        _fields(proof, kind=str)
        _need(sum(items) > sum(capacities), "all models together are not larger than all GPUs")
        return PASSED, "volume: all models together are larger than all GPUs together"
    if kind in ("dual", "tree"):
        _, *texts = _fields(proof, kind=str, models=str, gpus=str)
        # GPUs of equal memory are one type; types stand in the order of their first GPUs.
        types = Counter(zip(fleet.capacities.values(), capacities, strict=True))
        numbers = [text.count(" ") + 1 for text in texts if "/" not in text]
        _need(numbers == [len(items), len(types)], "it needs a whole number by model and type")
        points, most = ([int(_number(x, MAX_POINT_DIGITS)) for x in t.split(" ")] for t in texts)
        bins = [(n, c, limit) for ((_, c), n), limit in zip(types.items(), most, strict=True)]
        cases = MAX_CASES if kind == "tree" else 0
        return PASSED, f"{kind}: {refute(zip(items, points, strict=True), bins, cases)}"
    _need(kind == "solver", "it is not of the kinds known here: volume, dual, tree and solver")
    text = dict.fromkeys(("kind", "solver", "version", "threshold"), str)
    _, who, version, said, settings = _fields(proof, **text, parameters=dict)
    _fields(settings, **dict.fromkeys(settings, str))
    enough = f == 0 or said == "infinite" or _number(said) >= Fraction(a, f) * fleet.unit
    _need(enough, "the threshold that the solver refuted is too low for this bound")
    return NOT_CHECKABLE, f"solver: it rests on the word of {who[:60]!a} {version[:60]!a}"


def _placement(fleet: Fleet, value: Fraction | None, placement: Any) -> tuple[str, str]:
    if value is None and placement is None:
        return PASSED, "none is claimed"
    _fields(placement, **dict.fromkeys(fleet.sizes, str))
    free, load = fleet.capacities.copy(), dict.fromkeys(fleet.capacities, 0)
    for model, gpu in placement.items():
        _need(gpu in free, f"the fleet has no GPU {gpu[:60]!a}")
        free[gpu] -= fleet.sizes[model]
        load[gpu] += fleet.pressures[model]
    _need(min(free.values()) >= 0, "a GPU is overfull")
    # A full GPU has an infinite KVPR under pressure, and 0 without.
    ratios = [fleet.unit * n / free[gpu] if free[gpu] else math.inf for gpu, n in load.items() if n]
    _need(max(ratios, default=0) == value, "its max KVPR is not the one claimed")
    return PASSED, "it is valid, and its max KVPR is the one claimed"


def _status(status: str, value: Any, bounds: list[Any], checks: list[Check]) -> tuple[str, str]:
    graded = [(at, made.outcome) for (at, *_), made in zip(bounds, checks[2:], strict=True)]
    _need(value is None or all(at <= value for at, _ in graded), "a bound exceeds the max KVPR")
    for grade in (PASSED, NOT_CHECKABLE):  # first without any solver's word; no KVPR is negative
        best = max([0, *(at for at, outcome in graded if outcome in (PASSED, grade))])
        follows = {"optimal": value == best, "infeasible": best == math.inf}
        if (follows | {"feasible": value is not None, "unknown": value is None}).get(status):
            return grade, f"{status} follows from placement and bounds"
    raise ValueError(f"{status[:60]!a} does not follow from placement and bounds")


def check(canonical_text: str, certificate_text: str, refute: Any = refute) -> Report:
    """Check every claim of a certificate about a canonical fleet, that of a packing by `refute`."""
    name = "fleet"
    try:
        fleet = read_fleet(canonical_text)
        name = "certificate"
        digest, status, value, placement, bounds = read_certificate(certificate_text)
        actual = hashlib.sha256(canonical_text.encode(errors="surrogatepass")).hexdigest()
        if digest != actual:
            return Report([Check("digest", FAILED, f"this fleet has another one, {actual}")], 5)
        checks = [Check("digest", PASSED, f"this fleet has the digest {actual}")]
        claims: list[Any] = [("placement", _placement, fleet, value, placement)]
        claims += [(f"bound {bound[1][:60]}", _bound, refute, fleet, *bound) for bound in bounds]
        for name, finding, *claim in [*claims, ("status", _status, status, value, bounds, checks)]:
            try:
                checks.append(Check(name, *finding(*claim)))
            except ValueError as refusal:
                checks.append(Check(name, FAILED, str(refusal)))
    except (ValueError, RecursionError, TimeoutError) as error:
        return Report([Check(name, FAILED, str(error))], 2)
    return Report(checks, max({PASSED: 0, NOT_CHECKABLE: 3, FAILED: 5}[x.outcome] for x in checks))


if __name__ == "__main__":
    try:
        _, one, other = sys.argv
        with open(one, "rb") as canonical, open(other, "rb") as certificate:
            # One byte more than a file may have is enough to refuse it.
            texts = [file.read(MAX_BYTES + 1).decode() for file in (canonical, certificate)]
    except (OSError, ValueError) as error:
        print(f"usage: python verify.py canonical.json certificate.json\n{error}", file=sys.stderr)
        sys.exit(2)
    checks, exit_code = check(*texts)
    print(*map(": ".join, checks), sep="\n")
    sys.exit(exit_code)
