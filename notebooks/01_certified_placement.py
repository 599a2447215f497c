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
# # A certified placement
#
# Fourteen language models share four GPUs. Which model goes where? This notebook places them
# and shows why nobody can do better. You will learn
#
# * what the KV-cache pressure ratio (KVPR) of a GPU is, and how to read a placement;
# * how the *gap* between a placement and a lower bound closes while the solver works;
# * what a certificate is, how to check it without the solver, and what happens to one that
#   was tampered with.
#
# Run it from its own folder, `notebooks/`.

# %%
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt

import kvpr_opt as kv
from kvpr_opt.certificates.canonical import canonical_fleet

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## The fleet
#
# A model has a *size* (memory for its weights, here in GB) and a *pressure*: requests per
# second over its latency objective in seconds. A GPU has memory; what the weights leave free
# holds the KV cache.

# %%
fleet = kv.read_instance("../examples/small_fleet.yaml")
for gpu in fleet.gpus:
    print(f"{gpu.name}: {float(gpu.usable):g} GB usable")
print()
for model in fleet.models:
    print(f"{model.name:32} {float(model.size):5.1f} GB   pressure {float(model.pressure):6.3f}")

# %% [markdown]
# The **KVPR** of a GPU is the pressure of its models over its free memory,
#
# $$\mathrm{KVPR}_g = \frac{\sum_{i \text{ on } g} n_i}{C_g - \sum_{i \text{ on } g} m_i},$$
#
# and the GPU with the highest one breaks its latency promises first. So the highest KVPR is
# what should be small.
#
# ## Place it

# %%
result = kv.solve(fleet, time_limit=30, threads=1)
print(f"status        {result.status.value}")
print(f"highest KVPR  {result.max_kvpr} = {float(result.max_kvpr):.6f}")
print(f"lower bound   {result.lower_bound}, certified: {result.certified}")
print(f"gap           {result.gap}")

# %% [markdown]
# Both numbers are exact fractions, not rounded ones. The status says `optimal` only where the
# two are equal.

# %%
assert result.status is kv.Status.OPTIMAL
assert result.max_kvpr == result.lower_bound

# %% [markdown]
# As the last line of a cell, a result shows itself.

# %%
result

# %% [markdown]
# ## A picture of it
#
# Each bar on the left is a GPU, each block a model; what is left white is free for KV cache.
# On the right is the KVPR that results, with the lower bound as a line.


# %%
def draw(placement, bound):
    """Weights and KVPR of each GPU, side by side."""
    size = {model.name: float(model.size) for model in placement.instance.models}
    figure, (weights, ratio) = plt.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, gpu in enumerate(placement.gpus):
        left = 0.0
        for name in sorted(gpu.models, key=size.__getitem__, reverse=True):
            weights.barh(row, size[name], left=left, color="C5", edgecolor="white", linewidth=1.5)
            left += size[name]
        weights.barh(row, float(gpu.memory), fill=False, edgecolor="black", linewidth=1)
        ratio.barh(row, float(gpu.kvpr), color="C1" if gpu.kvpr == placement.max_kvpr else "C0")
    weights.set(xlabel="memory (GB)", yticks=range(len(placement.gpus)))
    weights.set_yticklabels([gpu.name for gpu in placement.gpus])
    weights.invert_yaxis()
    figure.get_layout_engine().set(wspace=0.08)
    ratio.axvline(float(bound), color="black", linestyle="--")
    ratio.set_title("dashed: lower bound", loc="right", fontsize=10.5)
    ratio.set(xlabel="KVPR (pressure per GB)", xlim=(0, 1.15 * float(bound)))
    return figure


draw(result.placement, result.lower_bound)
plt.show()

# %%
spread = [float(gpu.kvpr) for gpu in result.placement.gpus]
fullest = max(result.placement.gpus, key=lambda gpu: gpu.used / gpu.memory)
print(f"KVPR lies between {min(spread):.4f} and {max(spread):.4f}: the GPUs are nearly level.")
print(f"The fullest GPU is {fullest.name}; the most pressed one is", end=" ")
print(", ".join(gpu.name for gpu in result.placement.gpus if gpu.kvpr == result.max_kvpr) + ".")

# %% [markdown]
# Level pressure and level memory are not the same thing: a GPU may be full of models that are
# seldom asked, or half empty with one that is asked all the time.
#
# ## The gap over time
#
# The solver works from both sides. From above come placements, each better than the one
# before; from below come proofs that nothing is better than some value. The run is over when
# they meet. `result.statistics["trajectory"]` has every step.

# %%
trajectory = result.statistics["trajectory"]
for event in trajectory:
    value = "-" if event["max_kvpr"] is None else f"{event['max_kvpr']:.6f}"
    print(f"{event['stage']:16} placement {value:>8}   bound {event['lower_bound']:.6f}")

# %%
FLOOR = 1e-4  # seconds: where a logarithmic axis of time may start


def steps(events, key):
    """Times and values of one side of the gap, up to the end of the run."""
    known = [(max(event["seconds"], FLOOR), event[key]) for event in events if event[key]]
    end = max(event["seconds"] for event in events) * 1.5
    return zip(*known, (end, known[-1][1]), strict=True)


figure, axes = plt.subplots()
axes.step(*steps(trajectory, "max_kvpr"), where="post", label="best placement")
axes.step(*steps(trajectory, "lower_bound"), where="post", label="lower bound", linestyle="--")
axes.set(xscale="log", xlabel="time (s)", ylabel="KVPR (pressure per GB)")
axes.legend()
plt.show()

# %%
first = next(event for event in trajectory if event["max_kvpr"] is not None)
opening = 1 - first["lower_bound"] / first["max_kvpr"]
print(f"The first placement came from stage '{first['stage']}' with a gap of {opening:.2%}.")
print(f"Stage '{trajectory[-1]['stage']}' had the last word; after it the gap is {result.gap}.")

# %% [markdown]
# ## The certificate
#
# "Optimal" is a strong word. The certificate is what stands behind it: the placement, the
# bound, and a proof of the bound, all in one small text.

# %%
text = result.certificate.to_json()
print(f"{len(text.encode())} bytes\n")
for bound in json.loads(text)["bounds"]:
    print(json.dumps(bound, indent=2))

# %% [markdown]
# A proof of kind `dual` gives points to models. `06_anatomy_of_a_proof` takes one apart; here
# it is enough that a **checker** can repeat it. `kv.verify` checks every claim in whole
# numbers and calls no solver.

# %%
report = kv.verify(fleet, result.certificate)
print(report)
assert report.exit_code == 0

# %% [markdown]
# The checker is one file of standard Python that imports nothing of this package. To trust a
# certificate you need that file, the fleet in its canonical form, and nothing else. Here the
# file is copied to an empty folder and run by a Python that ignores everything installed
# (`-I -S`).

# %%
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "verify.py").write_bytes((files("kvpr_opt") / "verify.py").read_bytes())
    (folder / "canonical.json").write_bytes(canonical_fleet(fleet).encode())
    (folder / "certificate.json").write_bytes(text.encode())
    command = ["-I", "-S", "verify.py", "canonical.json", "certificate.json"]
    run = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
print(run.stdout)
assert run.returncode == 0

# %% [markdown]
# ## Tampering with it
#
# A check that accepts everything is worth nothing. So let us lie in four ways and see which
# check fails. The first two forge the placement, the third the bound, and the last presents
# the certificate for another fleet.

# %%
honest = result.certificate
moved = dict(honest.placement)
pressed = next(gpu for gpu in result.placement.gpus if gpu.kvpr == result.max_kvpr)
moved[pressed.models[0]] = next(gpu.name for gpu in fleet.gpus if gpu.name != pressed.name)
lower = honest.max_kvpr * Fraction(99, 100)
higher = honest.max_kvpr * Fraction(101, 100)
busier = kv.Instance(fleet.gpus, [*fleet.models, kv.LLM("newcomer", size=1, pressure=1)])
lies = {
    "one model elsewhere": (fleet, replace(honest, placement=moved)),
    "a better value": (fleet, replace(honest, max_kvpr=lower)),
    "a higher bound": (fleet, replace(honest, bounds=(replace(honest.bounds[0], value=higher),))),
    "another fleet": (busier, honest),
}
for name, (about, lie) in lies.items():
    report = kv.verify(about, lie)
    failed = [check for check in report.checks if check.outcome == "FAILED"]
    print(f"{name}: {len(failed)} of {len(report.checks)} checks fail")
    for check in failed:
        print(f"    {check.name}: {check.detail[:90]}")
    assert report.exit_code == 5

# %% [markdown]
# Every lie is caught, each by a check that names it. Note what was *not* needed: nobody had to
# solve the problem again.
#
# ## Exercises
#
# 1. Take one GPU away and solve again. What is the status, what does `result.message` say, and
#    which kind of proof is in the certificate?
# 2. Add a copy of one model to the fleet and solve again. Let the two copies change places in
#    the placement of the certificate. Does it still hold? What does that say about "the"
#    optimal placement?
# 3. Forge the proof itself: take 1 away from one of its points, or add 1. Which check fails,
#    and does it always?
