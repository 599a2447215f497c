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
# # One question, six models
#
# "Is there a placement with a highest KVPR of at most $t$?" can be written as a mathematical
# model in many ways, and solvers answer some of them in milliseconds and others not at all.
# You will learn
#
# * how the threshold question becomes bin packing, and how "strictly better" is asked without
#   any tolerance;
# * how six models of it, and two direct models of the minimum, compare on one small fleet;
# * what *strength* means: why one linear relaxation proves the answer and another sees nothing.
#
# Each model is written out at the top of its file in `formulations/`.

# %%
import time
from fractions import Fraction

import matplotlib.pyplot as plt

import kvpr_opt as kv
from formulations import registry
from kvpr_opt.limits import Limits
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.oracle import Feasible, Infeasible

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## The question
#
# On a GPU with free memory, $N / (C - M) \le t$ is the same as $N + t M \le t C$. The left side
# is a sum over the models on the GPU, so model $i$ is an item of size $n_i + t m_i$, and the GPU
# is a bin of capacity $t C$: **bin packing**.

# %%
fleet = kv.random_instance("uniform", gpus=4, models=12, seed=1)
best = kv.solve(fleet, time_limit=30, threads=1)
assert best.status is kv.Status.OPTIMAL
print(f"{len(fleet.models)} models on {len(fleet.gpus)} GPUs; optimum {best.max_kvpr}")

scaled = fleet.scaled  # the fleet in whole numbers
at, below = scaled.at_most(best.max_kvpr), scaled.below(best.max_kvpr)
print(f"'at most the optimum' asks for t = {at.value}")
print(f"'below the optimum'   asks for t = {below.value}")

# %% [markdown]
# There is no "strictly less than" in an integer program. But KVPR takes only values that are
# fractions with a bounded denominator, so there is a *next smaller* fraction, and asking for "at
# most that one" is the strict question, exactly. The two differ by very little:

# %%
print(f"relative difference: {float(1 - below.value / at.value):.1e}")
for name, threshold in (("at", at), ("below", below)):
    packing = scaled.packing(threshold)
    waste = sum(packing.capacities) - sum(packing.sizes)
    print(
        f"{name:6} items {packing.sizes[:4]}..., bins of {packing.capacities[0]}; "
        f"{100 * waste / sum(packing.capacities):.1f} % of the room may be wasted"
    )

# %% [markdown]
# The right answers are "yes" to the first and "no" to the second. A "yes" is a placement and can
# be checked at once; the "no" is the hard part.
#
# ## Six models answer
#
# Models that decide a threshold follow one protocol, `decide(threshold, limits)`.

# %%
WORDS = {Feasible: "yes", Infeasible: "no"}
SECONDS = 10  # for each question

print(f"{'model':20} {'at':>8} {'below':>8} {'seconds':>8}   a 'no' rests on")
for name in registry.ORACLES:
    oracle = registry.create(name, fleet)
    started = time.perf_counter()
    answers = [oracle.decide(threshold, Limits(SECONDS)) for threshold in (at, below)]
    seconds = time.perf_counter() - started
    words = [WORDS.get(type(answer), "unknown") for answer in answers]
    proof = registry.capabilities_of(name).proof
    grade = "a proof that the checker repeats" if proof == "certified" else "a solver's word"
    print(f"{name:20} {words[0]:>8} {words[1]:>8} {seconds:8.2f}   {grade}")
    assert not isinstance(answers[0], Infeasible)
    assert not isinstance(answers[1], Feasible)

# %% [markdown]
# A "yes" is never taken on trust: the answer carries a placement, evaluated in exact fractions.
# A "no" from a solver is its word, which is good evidence but no proof; `pattern_lp` gives
# evidence that can be checked.
#
# ## All eight, from start to end
#
# `kv.solve(..., method=name)` asks one model as often as it takes. Simple bounds and the
# heuristic come first in each run, so what differs is the proof. The two `direct_` models put
# the fraction itself into one program and minimise in one go.

# %%
times = {}
for name in registry.NAMES:
    result = kv.solve(fleet, method=name, time_limit=SECONDS, threads=1)
    times[name] = result.seconds
    gap = "no gap" if result.gap is None else f"gap {float(result.gap):.2%}"
    print(f"{name:20} {result.status.value:9} {gap:10} {result.seconds:6.2f} s")
    assert result.max_kvpr >= best.max_kvpr
    assert result.lower_bound <= best.max_kvpr

# %%
figure, axes = plt.subplots(figsize=(6.4, 4.0))
order = sorted(times, key=times.__getitem__)
direct = [name in registry.OPTIMISERS for name in order]
bars = axes.barh(
    order, [times[name] for name in order], color=["C1" if d else "C0" for d in direct]
)
axes.bar_label(bars, fmt=" %.2f", fontsize=10.5)
axes.set_title("time to the end; orange: direct models")
axes.set(xlabel="time (s)")
axes.invert_yaxis()
plt.show()

# %% [markdown]
# One small fleet is an anecdote: times this short say little about larger ones. The comparison
# on many fleets is in `formulations/README.md`.
#
# ## Strength
#
# Solvers prove a "no" by way of *linear relaxations*: drop the integrality, and if even the
# relaxed model has no solution, the answer is no. The more a relaxation excludes, the less is
# left to search.
#
# * In the **assignment** models a model may be split over all GPUs. What is left of the question
#   is whether the total volume fits: the *volume bound* $\sum n_i / (\sum C_g - \sum m_i)$,
#   which anyone can compute without a solver.
# * In the **pattern** models a variable stands for a whole GPU with a set of models that fit
#   together. Splitting can only mix sets that are themselves possible, so items that do not fit
#   together stay apart.
#
# Let us ask each relaxation the strict question.

# %%
for name in registry.ORACLES:
    meets = registry.relaxation_meets(name, fleet, below, Limits(SECONDS))
    said = {
        True: "sees nothing wrong",
        False: "says no, without any search",
        None: "has no relaxation to ask here",
    }
    print(f"{name:20} {said[meets]}")

# %% [markdown]
# How far apart are they? The *root* of a relaxation is the smallest threshold that it meets, and
# bisection finds it. For the assignment models it is the volume bound. We do it for fleets with
# two to five models a GPU.


# %%
def root(name, fleet, low, high, steps=14):
    """The smallest threshold that the linear relaxation of a model meets, to 2^-14 of the range."""
    for _ in range(steps):
        middle = (low + high) / 2
        if registry.relaxation_meets(name, fleet, fleet.scaled.at_most(middle), Limits(SECONDS)):
            high = middle
        else:
            low = middle
    return high


PER_GPU, SEEDS, GPUS = (2, 3, 4, 5), range(4), 5
weak, strong = {}, {}
for per_gpu in PER_GPU:
    for seed in SEEDS:
        case = kv.random_instance("uniform", gpus=GPUS, models=per_gpu * GPUS, seed=seed)
        done = kv.solve(case, time_limit=10, threads=1)
        low, top = Fraction(volume_bound(case.scaled).value), done.max_kvpr
        weak[per_gpu, seed] = float(100 * (1 - low / top))
        strong[per_gpu, seed] = float(100 * (1 - root("pattern_lp", case, low, top) / top))

for per_gpu in PER_GPU:
    means = [sum(kind[per_gpu, seed] for seed in SEEDS) / len(SEEDS) for kind in (weak, strong)]
    print(f"{per_gpu} models a GPU: volume {means[0]:6.3f} % below, pattern LP {means[1]:6.3f} %")
assert all(strong[key] <= weak[key] + 1e-9 for key in weak)

# %%
FLOOR = 1e-3  # percent: below this a gap is drawn on the floor
figure, axes = plt.subplots()
for shift, kind, marker, name in (
    (-0.1, weak, "o", "volume (assignment models)"),
    (0.1, strong, "D", "pattern LP"),
):
    points = [(per_gpu + shift, max(gap, FLOOR)) for (per_gpu, _), gap in kind.items()]
    axes.plot(*zip(*points, strict=True), marker, label=name, alpha=0.8)
axes.set(yscale="log", xticks=PER_GPU, ylim=(FLOOR / 2, 100))
axes.set(xlabel="models a GPU", ylabel="root below the optimum (%)")
axes.legend(loc="upper right")
plt.show()

# %%
at_floor = sum(gap <= FLOOR for gap in strong.values())
print(f"The pattern LP is within {FLOOR} % of the optimum on {at_floor} of {len(strong)} fleets,")
print(f"the volume bound on {sum(gap <= FLOOR for gap in weak.values())}.")

# %% [markdown]
# The volume bound gets better by itself as models get smaller against GPUs: many small items fill
# any bin. That is why two models a GPU are hard for a weak model. The pattern LP hardly cares.
# What it costs is variables: one for every set that fits, which is why they are generated only
# when needed.
#
# ## Exercises
#
# 1. Put another solver behind the same model, `kv.solve(fleet, method="assignment_pulp:cbc")`, if
#    it is on your machine. Does the value change? May it? And the placement?
# 2. Build a fleet on which the volume bound *is* the optimum. (Equal models, evenly shared, are
#    one way.)
# 3. Export the strict question with `kvpr-opt export` to an `.lp` file and read it. Where are the
#    bins, where the items, and where is $t$?
