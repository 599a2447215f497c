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
# # The public Prism benchmark, with its answers
#
# The ADRS benchmark "Prism" asks a program to place fifty small fleets, and is popular with
# systems that let a language model write and improve programs. Its score is
#
# $$\frac{1}{\text{mean of the highest KVPR}} + \text{success rate}.$$
#
# All fifty optima are known, with proofs. You will learn
#
# * what the best possible score is, re-computed here exactly from checked certificates;
# * how the published scores compare with that ceiling;
# * how an evaluator that trusts what it is given can be led to any score at all, and what a
#   strict one looks at.

# %%
import json
import subprocess
import sys
import tempfile
from collections import Counter
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt

import kvpr_opt as kv
from kvpr_opt import suites

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## The fifty fleets
#
# Every GPU has 80 GB and there are two models for each GPU. The fleets are drawn by numpy from
# the seed 42, so everybody has the same fifty.

# %%
fleets = suites.load("prism50")
sizes = Counter(len(fleet.gpus) for _, fleet in fleets)
for gpus, count in sorted(sizes.items()):
    print(f"{count:2} fleets of {gpus} GPUs and {2 * gpus} models")

# %% [markdown]
# ## The fifty optima
#
# The package ships the optima as certificates. `suites.optimum` lets the checker go over each
# of them before it says anything, so what follows is proved again now, on your machine.

# %%
optima = [suites.optimum(fleet) for _, fleet in fleets]
assert all(best.proved for best in optima)

mean = sum((best.max_kvpr for best in optima), Fraction(0)) / len(optima)
ceiling = 1 / mean  # an exact fraction
print(f"{sum(best.proved for best in optima)} of {len(optima)} optima are proved")
print(f"1 / mean(max KVPR) = {float(ceiling)!r}")
print(f"best possible score = {float(ceiling + 1)!r}")

# %% [markdown]
# The mean is a sum of fifty fractions, computed without rounding; only the last step, the
# printing, turns it into a decimal. How exact is "exact"?

# %%
digits = len(str(ceiling.numerator)), len(str(ceiling.denominator))
print(f"The fraction has {digits[0]} digits above the line and {digits[1]} below.")
assert float(ceiling) == 25.25597174953524

# %% [markdown]
# ## How hard are they?
#
# Place each fleet by simple rules and by this package's own heuristic (no search, no proof),
# and compare with the optimum. *Greedy* takes the models in input order and puts each where
# its GPU ends up with the lowest KVPR.


# %%
def greedy(fleet):
    """Model by model to the GPU of smallest resulting KVPR; None where one fits nowhere."""
    free = [gpu.usable for gpu in fleet.gpus]
    pressure = [Fraction(0)] * len(free)
    chosen = []
    for model in fleet.models:
        fitting = [gpu for gpu, room in enumerate(free) if room > model.size]
        if not fitting:
            return None
        chosen.append(
            min(fitting, key=lambda g: (pressure[g] + model.pressure) / (free[g] - model.size))
        )
        free[chosen[-1]] -= model.size
        pressure[chosen[-1]] += model.pressure
    return kv.Placement(fleet, chosen)


def gaps(place):
    """Relative distance from the optimum, fleet by fleet, in percent."""
    answers = [(place(fleet), best) for (_, fleet), best in zip(fleets, optima, strict=True)]
    return [
        float(100 * (answer.max_kvpr / best.max_kvpr - 1))
        for answer, best in answers
        if answer is not None
    ]


found = {"greedy": gaps(greedy), "heuristic": gaps(kv.heuristic)}
for name, values in found.items():
    exact = sum(value == 0 for value in values)
    print(
        f"{name:10} places {len(values)}/50, {exact} of them optimally; "
        f"mean gap {sum(values) / len(values):.2f} %, worst {max(values):.2f} %"
    )

# %%
figure, axes = plt.subplots()
for name, style in (("greedy", "o"), ("heuristic", "D")):
    axes.plot(sorted(found[name], reverse=True), style, markersize=5, label=name)
axes.set(xlabel="fleets, worst first", ylabel="gap to the optimum (%)")
axes.legend()
plt.show()

# %% [markdown]
# Where a heuristic ends at 0 there is nothing left to measure: the benchmark is *saturated*.
# Studies of gaps need larger fleets with three or four models a GPU; `05_gap_study` makes one.
#
# ## The published scores
#
# These are scores as their authors published them, for the same fifty fleets. A score printed
# with two decimals stands for anything that rounds to it, so it is impossible only if even the
# smallest number that rounds to it is above the ceiling. Of the last three only the number is
# repeated here, since the number is the point.

# %%
PUBLISHED = {
    "the benchmark's first program": "21.89",
    "GEPA": "26.23",
    "OpenEvolve (lower of two)": "26.23",
    "OpenEvolve (higher of two)": "26.24",
    "ShinkaEvolve, LEVI, EvoX": "26.26",
    "also published (1)": "26.27",
    "also published (2)": "26.37",
    "also published (3)": "30.52",
}
best = ceiling + 1
verdicts = {}
for source, text in PUBLISHED.items():
    below, above = (Fraction(text) + step * Fraction(1, 200) for step in (-1, 1))
    if below > best:
        verdicts[source] = "impossible"
    else:
        verdicts[source] = "agrees with the optimum" if above >= best else "below the optimum"
    print(f"{text:>6}  {verdicts[source]:24} {source}")

# %%
LEFT, RIGHT = 26.15, 26.40  # what lies outside is drawn at the edge, as an arrow

figure, axes = plt.subplots(figsize=(6.4, 4.4))
colour = {"below the optimum": "C0", "agrees with the optimum": "C2", "impossible": "C1"}
for row, (source, text) in enumerate(PUBLISHED.items()):
    kind, score = verdicts[source], float(text)
    at = min(max(score, LEFT), RIGHT)
    marker = "<" if score < LEFT else ">" if score > RIGHT else "X" if kind == "impossible" else "o"
    axes.plot(at, row, marker, color=colour[kind], markersize=9, clip_on=False)
    leftwards = kind == "below the optimum" if LEFT < score < RIGHT else score > RIGHT
    align = "right" if leftwards else "left"
    axes.text(at + (-0.009 if leftwards else 0.009), row, text, va="center", ha=align)
axes.axvline(float(best), color="black", linestyle="--", zorder=0)
figure.suptitle(f"dashed: proved ceiling {float(best):.4f}; orange: impossible", fontsize="medium")
axes.set(xlabel="score", xlim=(LEFT, RIGHT + 0.02), yticks=range(len(PUBLISHED)))
axes.set_yticklabels(PUBLISHED)
axes.invert_yaxis()
plt.show()

# %% [markdown]
# A score above the ceiling is no better placement. It is a sign that the evaluator measured
# something else.
#
# ## How to beat the ceiling
#
# This is the heart of an evaluator as they are in circulation: it adds up what comes back.


# %%
def naive(answer):
    """The highest KVPR of an answer {GPU: models}, everything in it believed."""
    return max(
        sum(model.pressure for model in models) / (80 - sum(model.size for model in models))
        for models in answer.values()
    )


name, fleet = fleets[0]
honest = {number: [] for number in range(len(fleet.gpus))}
for model, gpu in optima[0].placement.assignment.items():
    honest[fleet.gpu_index[gpu]].append(fleet.models[fleet.model_index[model]])
lazy = {number: models[:1] for number, models in honest.items()}  # the others are dropped

print(f"{name}: optimum {float(optima[0].max_kvpr):.4f}")
print(f"an optimal placement, naively evaluated:    {float(naive(honest)):.4f}")
print(f"one model a GPU, the others left out:       {float(naive(lazy)):.4f}")
assert naive(honest) == optima[0].max_kvpr
assert naive(lazy) < optima[0].max_kvpr

# %% [markdown]
# The second answer is better than the optimum, since half of the work is not done. An exact
# evaluator never gets that far: it refuses what is no placement.

# %%
try:
    kv.Placement.of(
        fleet,
        {model.name: fleet.gpus[gpu].name for gpu, models in lazy.items() for model in models},
    )
except kv.KvprError as error:
    print(f"refused: {error}")

# %% [markdown]
# Generated programs find such holes by themselves, because search rewards them. So outside
# programs should be run in a process of their own, on fresh inputs, and judged against numbers
# that they cannot touch. The command `kvpr-opt audit` does that. Here it audits a program with
# the function of the benchmark that drops every model but one on each GPU.

# %%
PROGRAM = '''
def compute_model_placement(gpu_num, models):
    """Places the first gpu_num models, one on each GPU, and forgets the others."""
    return {gpu: [models[gpu]] for gpu in range(gpu_num)}
'''

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "lazy.py").write_text(PROGRAM, encoding="utf-8")
    command = ["audit", "lazy.py", "--jobs", "1", "--quiet", "--output", "audit.json"]
    run = subprocess.run([sys.executable, "-m", "kvpr_opt", *command], cwd=folder)
    audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))

naive_score = audit["score"]["naive"]["combined"]
print(f"exit code {run.returncode}")
print(f"naive score   {naive_score:.4f}, impossible: {audit['score']['naive_is_impossible']}")
print(f"honest score  {audit['score']['honest']}")
print(f"what is wrong {audit['problems']}")
assert run.returncode == 6
assert audit["score"]["naive_is_impossible"]

# %% [markdown]
# There is no honest score unless every case is a placement. The list of all that is checked,
# and of what the isolation of a program does not protect from, is in `docs/audit.md`.
#
# ## Exercises
#
# 1. The first point of a saturated benchmark is that its fleets are easy. Print the bound that
#    needs no search, `kv.lower_bound(fleet)`, beside each optimum. On how many fleets are the
#    two equal?
# 2. Write another program with an impossible naive score that drops no model. (The naive
#    evaluator above believes three things: which models, which GPUs, and which numbers.)
# 3. The score averages the fleets before it takes the reciprocal. Compute the mean of
#    1 / max KVPR instead. Is it larger or smaller, and could it have been the other way round?
