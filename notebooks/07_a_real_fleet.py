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
# # A real fleet
#
# An operator has a list of models and two machines with GPUs of two kinds. Some models need
# several GPUs, some are to be apart, some must stay where they are. This notebook goes from
# the list to a placement with a certificate. You will learn
#
# * how to write such a fleet down, in amounts that carry their units;
# * what a constraint costs, by leaving it out;
# * what a certificate says about constraints, and how the checker judges a placement that
#   breaks one.
#
# Run it from its own folder, `notebooks/`.

# %%
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt

import kvpr_opt as kv

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## The list, as the operator has it
#
# Weights are the bytes of published checkpoints, in GB; memory is what `nvidia-smi` prints, in
# MiB. `unit` says what plain numbers mean. `overhead` is what each process needs besides its
# weights, `kv_floor` the smallest KV cache that its server starts with.

# %%
FLEET = """
unit: GB
gpus:
  - {count: 4, memory: 81559MiB, reserved: "3 %", node: alpha, labels: [h100]}
  - {count: 2, memory: 46068MiB, reserved: "3 %", node: beta, labels: [l40s]}
models:
  - {name: llama-70b, size: 141.1, overhead: 3, kv_floor: 1, req_rate: 4, slo: 2,
     shards: 4, kv_heads: 8}
  - {name: qwen-32b, size: 65.5, overhead: 3, kv_floor: 1, req_rate: 3, slo: 2,
     shards: 2, kv_heads: 8}
  - {name: llama-8b, size: 16.1, overhead: 2, kv_floor: 0.5, req_rate: 12, slo: 1,
     replicas: 2, spread: node}
  - {name: mistral-7b, size: 14.5, overhead: 2, req_rate: 6, slo: 1, apart: chat}
  - {name: qwen-7b, size: 15.2, overhead: 2, req_rate: 5, slo: 1, apart: chat}
  - {name: qwen3-8b, size: 16.4, overhead: 2, req_rate: 7, slo: 1, never: l40s}
  - {name: gpt-oss-20b, size: 13.8, overhead: 2, req_rate: 2, slo: 1, only: l40s}
  - {name: phi-mini, size: 7.6, overhead: 2, req_rate: 3, slo: 1, pin: gpu1}
  - {name: idle, size: 6.4, overhead: 1, pressure: 0, count: 3}
"""
folder = Path(tempfile.mkdtemp())
(folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
fleet = kv.read_instance(folder / "fleet.yaml")
len(fleet.gpus), len(fleet.models)

# %% [markdown]
# Every copy, replica and shard is a model of its own that is placed. A shard has its part of
# the weights and of the demand, and overhead and floor in full.

# %%
for model in fleet.models[:8]:
    print(
        f"{model.name:15} {float(model.footprint):6.2f} GB   pressure {float(model.pressure):.2f}"
    )

# %% [markdown]
# ## The placement
#
# The bound beside the placement says how much better any other one could be.

# %%
result = kv.solve(fleet, time_limit=60)
print(result.status.value, "max KVPR", float(result.max_kvpr), "bound", float(result.lower_bound))

result.plot()
plt.show()

# %% [markdown]
# The shards of `llama-70b` fill the machine with four large GPUs, the replicas of `llama-8b`
# are on both machines, and the two chat models keep apart:

# %%
for gpu in result.placement.gpus:
    print(f"{gpu.name}: {', '.join(gpu.models)}")

# %% [markdown]
# ## What does a constraint cost?
#
# Leave it out and solve again: the optimum can only fall. That is worth knowing before a
# constraint is carried along for years.

# %%
keys = {
    "pin": {"pin": ()},
    "apart": {"apart": ()},
    "only, never": {"only": (), "never": ()},
    "spread": {"spread": "gpu"},
}
costs = {}
for name, without in keys.items():
    freer = kv.Instance(fleet.gpus, [replace(model, **without) for model in fleet.declared])
    costs[name] = float(kv.solve(freer, time_limit=60).max_kvpr)
for name, value in costs.items():
    print(f"without {name:12} {value:.5f}")

# %%
figure, axes = plt.subplots(figsize=(6, 2.4))
axes.barh(list(costs), [float(result.max_kvpr) - value for value in costs.values()])
axes.set_xlabel("max KVPR that the constraint costs")
plt.show()

# %% [markdown]
# ## The certificate
#
# It holds the placement, the bound and a proof. The checker derives everything else from the
# fleet. What a proof did without it says: a proof that ignores nodes is still a proof, since
# fewer placements are allowed than it thinks.

# %%
print(kv.verify(fleet, result.certificate))

# %% [markdown]
# A placement that breaks a constraint is rejected, whatever it claims. Here the pinned model
# is moved to the GPU with most room:

# %%
others = [gpu for gpu in result.placement.gpus if "phi-mini" not in gpu.models]
roomy = max(others, key=lambda gpu: gpu.memory - gpu.used)
claim = json.loads(result.certificate.to_json())
claim["placement"]["phi-mini"] = roomy.name
tampered = type(result.certificate).from_json(json.dumps(claim))
print(kv.verify(fleet, tampered))

# %% [markdown]
# ## Exercises
#
# 1. Give `idle` a `kv_floor` of 2 and solve again. Which GPU gets fuller, and does the worst
#    GPU change?
# 2. Pin two large models to one GPU until no placement is left. What does `result.message`
#    say?
# 3. Replace `shards: 4` by `replicas: 4` for a model that fits one GPU. What happens to its
#    weights, and what to its demand?
