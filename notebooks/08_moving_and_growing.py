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
# # Moving and growing
#
# A fleet that was placed well some weeks ago is in use, and its rates have changed. Nobody wants
# to move everything for the last percent. You will learn
#
# * how far a running placement is from the best one, and what each move buys;
# * in which order to load, switch and unload, so that no GPU overflows on the way;
# * how many GPUs a target takes, how far demand may grow, and what holds a fleet back.
#
# Run it from its own folder, `notebooks/`.

# %%
from dataclasses import replace
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

import kvpr_opt as kv

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## A fleet, placed, and some weeks later
#
# Six GPUs, eighteen models, and the best placement of the day. Since then each rate has drifted
# by a third, some up and some down.

# %%
then = kv.random_instance("uniform", gpus=6, models=18, seed=8)
placed = kv.solve(then, time_limit=20).placement

drift = np.random.default_rng(8).lognormal(0, 0.3, len(then.models))
models = [
    replace(model, req_rate=model.req_rate * Fraction(round(100 * factor), 100), pressure=None)
    for model, factor in zip(then.models, drift, strict=True)
]
fleet = then.replace(models=models)

score = kv.evaluate(fleet, placed.assignment, time_limit=20)
print(f"KVPR now {float(score.max_kvpr):.4f} on {', '.join(score.binding)}")
print(f"no placement is below {float(score.lower_bound):.4f}, so the gap is {float(score.gap):.1%}")

# %% [markdown]
# ## What each move buys
#
# `replan` gives, for 0, 1, 2, ... moves, the lowest KVPR that so many moves can reach, and proves
# that nothing is lower. The *elbow* is where moves pay most.

# %%
made = kv.replan(fleet, placed.assignment, max_moves=10, time_limit=60)

figure, axes = plt.subplots()
moves = [int(row.budget) for row in made.rows]
axes.step(moves, [float(row.max_kvpr) for row in made.rows], where="post", marker="o")
axes.axhline(float(made.optimum.lower_bound), color="C2", linestyle="--")
axes.plot(int(made.elbow.budget), float(made.elbow.max_kvpr), "o", ms=14, mfc="none", color="C1")
axes.annotate("elbow", (int(made.elbow.budget), float(made.elbow.max_kvpr)), (10, 10),
              textcoords="offset points")  # fmt: skip
axes.set(xlabel="moves, at most", ylabel="highest KVPR", title="no placement is below the line")
plt.show()
print("all rows proved:", all(row.proved for row in made.rows))

# %% [markdown]
# Each row comes with a certificate, which the checker accepts without any solver: points that
# bound what the GPUs can hold, and a price of a move.

# %%
print(kv.verify(fleet, made.elbow.certificate))

# %% [markdown]
# ## Before and after

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
made.current.plot(axes[0])
made.elbow.placement.plot(axes[1])
axes[0].set_title("before")
axes[1].set_title(f"after {int(made.elbow.cost)} moves")
plt.show()

# %% [markdown]
# ## Step by step
#
# A new copy is loaded while the old one still serves, so both take memory for a while, and less
# is left for KV caches. The plan keeps every GPU within its memory and its KVPR as low as the
# order of the moves allows.

# %%
plan = made.plan(made.elbow)
for number, step in enumerate(plan.steps, start=1):
    print(f"{number:2} {step.action:12} {', '.join(step.models):10} {', '.join(step.gpus)}")
print("stopped for a while:", ", ".join(plan.stopped) or "none")

figure, axes = plt.subplots(figsize=(6.4, 2.6))
before = float(made.current.max_kvpr)
axes.step(range(len(plan.steps) + 1), [before, *(float(s.max_kvpr) for s in plan.steps)],
          where="post")  # fmt: skip
axes.set(xlabel="steps done", ylabel="highest KVPR")
plt.show()

# %% [markdown]
# ## How many GPUs?
#
# For a target on the KVPR, `size` finds the fewest GPUs and proves that one fewer will not do.

# %%
targets = [made.optimum.max_kvpr * Fraction(eighths, 8) for eighths in range(2, 17)]
sizings = [kv.size(fleet, target, time_limit=10) for target in targets]
figure, axes = plt.subplots(figsize=(6.4, 2.8))
found = [(float(s.target), s.gpus) for s in sizings if s.gpus is not None]
axes.step(*zip(*found, strict=True), where="post", marker="o")
axes.set(xlabel="highest KVPR allowed", ylabel="GPUs needed", ylim=0)
plt.show()
print(sizings[-1].gpus, "GPUs for the largest target:", sizings[-1].reason)

# %% [markdown]
# ## How far can demand grow?
#
# If all rates grow alike, every KVPR grows alike, and the factor is exact. For one model it is
# bracketed: a placement at the lower end, a proof at the upper one.

# %%
target = 2 * made.optimum.max_kvpr
print("all rates:", float(kv.headroom(fleet, target, time_limit=10).factor))

busy = sorted(fleet.models, key=lambda model: model.pressure, reverse=True)[:4]
grown = {model.name: kv.headroom(fleet, target, model=model.name, time_limit=10) for model in busy}
for name, room in grown.items():
    print(f"{name}: {float(room.factor):.3f} times, and no more than {float(room.bound):.3f}")

# %% [markdown]
# ## What holds the fleet back?
#
# `why` names the GPUs that bind, and tries changes: one more GPU, more memory, a model less, a
# constraint lifted.

# %%
answer = kv.why(fleet, time_limit=20)
figure, axes = plt.subplots(figsize=(6.4, 2.8))
names = ["as it is", *(change.what for change in answer.changes)]
values = [answer.result.max_kvpr, *(change.max_kvpr for change in answer.changes)]
axes.barh(names, [float(value) for value in values], color=["C1", *["C0"] * len(answer.changes)])
axes.invert_yaxis()
axes.set_xlabel("lowest KVPR there is")
plt.show()

# %% [markdown]
# A fleet that cannot be placed has a conflict: without any one of its members, what is left can
# be placed.

# %%
largest = max(fleet.gpus, key=lambda gpu: gpu.usable)
crowd = [kv.LLM(f"big-{i}", largest.usable * 3 / 5, pressure=1) for i in range(len(fleet.gpus))]
crowd.append(kv.LLM("last", largest.usable / 2, pressure=1))
stuck = kv.why(fleet.replace(models=[*fleet.models, *crowd]), time_limit=20)
print(stuck.result.status.value)
print(stuck.conflict)

# %% [markdown]
# ## Exercises
#
# 1. Count the memory moved instead of the moves (`cost="memory"`). Does the elbow move other
#    models?
# 2. Give two models the same `apart` group and look at the plan again. Which steps change?
# 3. At which target does the fleet need one GPU more than the volume of its models says?
