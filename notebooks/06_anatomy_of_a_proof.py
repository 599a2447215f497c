# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Anatomy of a proof
#
# How can a line of small numbers prove that *no* placement of a fleet is better? There may be
# millions of placements, and nobody looked at all of them. You will learn
#
# * how a bound on KVPR becomes a question about packing in whole numbers;
# * what *points* are, first on four models by hand, then on a real certificate;
# * how to check the proof in a few lines of plain Python, and that the checker agrees;
# * why the points beat the volume argument.

# %%
import math
from fractions import Fraction
from itertools import combinations

import matplotlib.pyplot as plt

import kvpr_opt as kv
from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import BoundClaim
from kvpr_opt.certificates.explain import explain
from kvpr_opt.verify import packing, read_fleet, threshold, whole_fleet

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## By hand: four models
#
# Two GPUs of 10 GB. With `a` and `b` on one GPU and `c` and `d` on the other, the highest KVPR is
# 3/2. Claim: nothing is better.

# %%
tiny = kv.Instance(
    gpus=[kv.GPU("g0", memory=10), kv.GPU("g1", memory=10)],
    models=[
        kv.LLM("a", size=3, pressure=3),
        kv.LLM("b", size=3, pressure=3),
        kv.LLM("c", size=3, pressure=4),
        kv.LLM("d", size=1, pressure=1),
    ],
)
placement = kv.Placement.of(tiny, {"a": "g0", "b": "g0", "c": "g1", "d": "g1"})
print(placement.kvpr)
value = placement.max_kvpr

# %% [markdown]
# **Step 1: the next smaller value.** All numbers are whole, so a KVPR is a fraction $A / f$ with
# free memory $f \le 10$. The largest such fraction below 3/2 is easily found: for each $f$, the
# largest whole $A$ with $A / f < 3/2$.


# %%
def next_below(value, largest):
    """The largest fraction below a value whose denominator is at most `largest`."""
    return max(Fraction(math.ceil(value * f) - 1, f) for f in range(1, largest + 1))


t = next_below(value, 10)
print(f"A placement better than {value} has a highest KVPR of at most {t}.")

# %% [markdown]
# **Step 2: item sizes.** At most $t = a / f$ on every GPU means that
# $\sum (f n_i + a m_i) \le a C$ there: items have to fit into bins.

# %%
a, f = t.numerator, t.denominator
items = {model.name: int(f * model.pressure + a * model.size) for model in tiny.models}
capacity = a * 10
print(f"items {items}, two bins of {capacity}")
print(f"volume: {sum(items.values())} in {2 * capacity}, which would fit")

# %% [markdown]
# **Step 3: points.** The volume is no obstacle. But give one *point* each to `a`, `b` and `c`.
# Any two of them together are too large for a bin, so a bin holds at most one point. Two bins
# hold two points, and there are three. That is the whole proof.

# %%
points = {"a": 1, "b": 1, "c": 1, "d": 0}
pairs = [items[x] + items[y] for x, y in combinations("abc", 2)]
print(f"pairs take {pairs}, a bin has {capacity}")
assert min(pairs) > capacity
assert sum(points.values()) > 2 * 1

# %% [markdown]
# ## A real certificate
#
# Now eight models on three GPUs, and a certificate that the solver wrote.

# %%
fleet = kv.random_instance("uniform", gpus=3, models=8, seed=7)
result = kv.solve(fleet, time_limit=30, threads=1)
claim = result.certificate.bounds[0]
print(f"{result.status.value}: highest KVPR {result.max_kvpr}")
print(f"claim: nothing is below {claim.value}")
print(f"proof: {dict(claim.proof)}")
assert claim.proof["kind"] == "dual"

# %% [markdown]
# The text under `models` gives points to the models in their order, the one under `gpus` says how
# many points a GPU of each type may hold. There is one type here. Sizes and pressures first
# become whole numbers, by the largest units that divide them all; the rest is as above.


# %%
def whole(numbers):
    """Numbers as multiples of the largest unit of which all are whole multiples."""
    denominator = math.lcm(*(number.denominator for number in numbers))
    counts = [int(number * denominator) for number in numbers]
    common = math.gcd(*counts) or 1
    return [count // common for count in counts], Fraction(common, denominator)


memory, memory_unit = whole([*(m.size for m in fleet.models), *(g.usable for g in fleet.gpus)])
sizes, capacities = memory[: len(fleet.models)], memory[len(fleet.models) :]
pressures, pressure_unit = whole([model.pressure for model in fleet.models])

t = next_below(claim.value * memory_unit / pressure_unit, max(capacities))
items = [t.denominator * n + t.numerator * m for n, m in zip(pressures, sizes, strict=True)]
bins = [t.numerator * c for c in capacities]
points = [int(text) for text in claim.proof["models"].split()]
limit = int(claim.proof["gpus"])

print("   item  points")
for item, worth in sorted(zip(items, points, strict=True), reverse=True):
    print(f"{item:7}  {worth}")
print(f"three bins of {bins[0]}; volume {sum(items)} in {sum(bins)}")

# %% [markdown]
# Two things are to be checked. The models have more points than the GPUs may hold:

# %%
print(f"{sum(points)} points offered, {len(bins)} x {limit} = {len(bins) * limit} allowed")
assert sum(points) > len(bins) * limit

# %% [markdown]
# And no GPU can hold more than its limit, whichever models are on it. That is a **knapsack**
# question, and dynamic programming answers it for all sets at once: for each number of points,
# the smallest total size of a set that has them.


# %%
def least_sizes(items, points):
    """For each sum of points, the smallest size of a set of items with it."""
    least = {0: 0}
    for item, worth in zip(items, points, strict=True):
        for total, size in list(least.items()):
            least[total + worth] = min(size + item, least.get(total + worth, math.inf))
    return least


least = least_sizes(items, points)
for total in sorted(least):
    fits = "fits" if least[total] <= bins[0] else "too large"
    print(f"{total:3} points take at least {least[total]:7}: {fits}")
assert all(least[total] > bins[0] for total in least if total > limit)

# %% [markdown]
# One loop has looked at every set of models. Suppose now that a placement were below the claimed
# value. Each of its GPUs would be a bin that fits, so none would hold more than the limit, and
# together they would hold fewer points than there are. But every model is somewhere: a
# contradiction, so there is no such placement.
#
# With $2^8$ sets we can even afford to distrust the loop and try them all:

# %%
most = max(
    sum(points[i] for i in chosen)
    for count in range(len(items) + 1)
    for chosen in combinations(range(len(items)), count)
    if sum(items[i] for i in chosen) <= bins[0]
)
print(f"By trying all {2 ** len(items)} sets: a GPU holds at most {most} points.")
assert most <= limit

# %% [markdown]
# ## The same by the checker
#
# The checker derives the items itself, from the canonical fleet, and does the same knapsack with
# one long integer instead of a dictionary. It also divides the items by their common factor; that
# changes no packing.

# %%
numbers = whole_fleet(read_fleet(canonical_fleet(fleet)))
checked_items, checked_bins = packing(numbers, *threshold(numbers, claim.value))
factor = Fraction(items[0], checked_items[0])
assert [factor * item for item in checked_items] == items
assert [math.floor(c / factor) for c in bins] == checked_bins
print(f"same items and bins, divided by {factor}")
print()
print(kv.verify(fleet, result.certificate))
assert kv.verify(fleet, result.certificate).exit_code == 0

# %% [markdown]
# And in words, as `kvpr-opt verify --explain` says it. It measures in memory: a model takes its
# size and, for its pressure, the memory that must stay free at the threshold.

# %%
print(explain(fleet, result.certificate))

# %% [markdown]
# ## Why points beat volume
#
# The volume argument is a proof by points, too: take the size itself as points. Good points are
# *not* proportional to size. They round up what is a bad fit and round down what fits well, and
# that is where the proof is gained. The picture shows both as shares of a bin.

# %%
figure, axes = plt.subplots()
share = [item / bins[0] for item in items]
axes.plot([0, max(share) * 1.1], [0, max(share) * 1.1], "--", color="C0", label="volume argument")
axes.plot(share, [worth / limit for worth in points], "o", color="C1", label="points of the proof")
axes.set(xlabel="size of the item (share of a bin)", ylabel="points (share of the limit)")
axes.legend(loc="upper left")
plt.show()

# %%
volume = sum(share)
pointed = sum(points) / limit
print(
    f"By volume the models fill {volume:.3f} bins, by points {pointed:.3f}; there are {len(bins)}."
)
above = sum(worth / limit > each for worth, each in zip(points, share, strict=True))
print(f"{above} of {len(items)} models count for more than their size.")
assert volume <= len(bins) < pointed

# %% [markdown]
# Where do good points come from? They are the dual variables of the pattern LP: the linear
# program that covers all models by sets that fit a GPU. Its dual asks for exactly this, points
# with at most 1 a GPU and as many as possible in all. The engine solves it in floating point and
# rounds to small whole numbers. The rounding may lose the proof, but it can never make a false
# one, since the check above is exact.
#
# ## A proof that is nearly right
#
# Change the points of one model by one, up or down. Is what remains still a proof? We ask our
# few lines, and the checker.

# %%
outcomes = {}
for index in range(len(points)):
    for step in (-1, 1):
        changed = [p + step * (i == index) for i, p in enumerate(points)]
        proof = {**claim.proof, "models": " ".join(map(str, changed))}
        bound = BoundClaim(claim.value, proof)
        forged = kv.Certificate(
            result.certificate.instance_sha256,
            result.certificate.status,
            result.certificate.max_kvpr,
            result.certificate.placement,
            (bound,),
        )
        by_checker = kv.verify(fleet, forged).exit_code == 0
        table = least_sizes(items, changed)
        fits = max(total for total, size in table.items() if size <= bins[0])
        by_hand = fits <= limit and sum(changed) > len(bins) * limit
        assert by_checker == by_hand
        outcomes[index, step] = by_checker
print(f"{sum(outcomes.values())} of {len(outcomes)} changes leave a valid proof;")
print("our few lines and the checker agree on every one of them.")

# %% [markdown]
# ## Exercises
#
# 1. In the example by hand, find points for a proof that nothing is below 4/3. Do you need new
#    ones?
# 2. Multiply all points and the limit by 7. Is it still a proof? Then lower the limit by 1. Which
#    of the two checks fails, and could it be otherwise?
# 3. `next_below` tries all denominators up to the memory. For memory in bytes that is hopeless.
#    Read `threshold` in `kvpr_opt/verify.py`: how does it find the same fraction in a few steps?
