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
# # Evolving a heuristic, with a fitness that cannot be cheated
#
# Programs that place models can be found by search: a mutation operator, often a language model,
# rewrites a program, an evaluator scores it, the better ones survive. Search exploits every
# weakness of its evaluator, and evaluators in circulation for this problem have many: some
# published "best" programs leave models out. You will learn
#
# * how a program is scored by certified optima, and what becomes of one that cheats;
# * how a few lines of evolution improve a simple heuristic, without any language model;
# * why a second suite, that evolution has never seen, has the last word.

# %%
import ast
import random
import textwrap

import matplotlib.pyplot as plt

from kvpr_opt.audit.evaluator import Evaluator

plt.style.use("kvpr.mplstyle")

# %% [markdown]
# ## The seed
#
# The function of the public benchmark: it gets the number of GPUs (of 80 GB each) and a list of
# models, and returns which models go on which GPU. This one sorts the models by `rank` and puts
# each where `cost` is smallest. Its numbers are what evolution will work on.

# %%
SEED = textwrap.dedent(
    """
    def compute_model_placement(gpu_num, models):
        placement = {gpu: [] for gpu in range(gpu_num)}
        free = [80.0] * gpu_num
        load = [0.0] * gpu_num

        def rank(model):
            return 1.0 * model.req_rate / model.slo + 0.01 * model.model_size

        def cost(gpu, model):
            pressure = load[gpu] + model.req_rate / model.slo
            room = free[gpu] - model.model_size
            return pressure ** 1.0 / room ** 1.0

        for model in sorted(models, key=rank, reverse=True):
            fitting = [gpu for gpu in placement if free[gpu] > model.model_size]
            gpu = min(fitting, key=lambda gpu: cost(gpu, model))
            placement[gpu].append(model)
            free[gpu] -= model.model_size
            load[gpu] += model.req_rate / model.slo
        return placement
    """
)

# %% [markdown]
# ## The fitness
#
# The evaluator runs a program on every fleet of a suite, each time in a process of its own, and
# compares the exact maximum KVPR with a certified lower bound. The score is the mean of
# *bound / value*: 1 is optimal everywhere, and nothing scores more. These five fleets of the
# training suite are enough for a demonstration.

# %%
trainer = Evaluator("evolve-train", time_limit=5)
FLEETS = trainer.names[2:12:2]
seed_result = trainer.evaluate_source(SEED, FLEETS)
print(f"score {seed_result.score:.4f}\n")
print(seed_result.feedback)

# %% [markdown]
# ## Cheats
#
# What evolution is tempted to try, since naive evaluators pay for it: leaving out models, using
# GPUs that do not exist, changing the numbers, failing where it is hard. Here the score is 0, and
# the text says what is wrong, for the next prompt.

# %%
HEAD = "def compute_model_placement(gpu_num, models):\n    "
SPREAD = "return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}"
CHEATS = {
    "drops the busiest model": "models = sorted(models, key=lambda m: m.req_rate)[:-1]; " + SPREAD,
    "invents GPUs": "return {gpu: [model] for gpu, model in enumerate(models)}",
    "takes away traffic": "for m in models: m.req_rate /= 1000\n    " + SPREAD,
    "calls a solver": "import kvpr_opt; " + SPREAD,
}
for name, body in CHEATS.items():
    result = trainer.evaluate_source(HEAD + body + "\n", FLEETS[:2])
    said = result.feedback.splitlines()[-1]
    print(f"{name}: score {result.score}\n{textwrap.indent(textwrap.fill(said, 76), '    ')}")
    assert result.score == 0

# %% [markdown]
# ## A mutation operator
#
# It parses the program, multiplies one of its numbers by a random factor, and writes the program
# anew. It knows nothing of the problem: it may as well change the 80 that stands for memory, and
# the evaluator has to notice.


# %%
class Mutation(ast.NodeTransformer):
    """Multiply one number of a program by a factor."""

    def __init__(self, target, factor):
        self.target = target
        self.factor = factor
        self.seen = 0

    def visit_Constant(self, node):
        """Count the numbers, and change the one that is meant."""
        if isinstance(node.value, float) and node.value:
            if self.seen == self.target:
                node = ast.Constant(round(node.value * self.factor, 6))
            self.seen += 1
        return node


def mutated(source, draw):
    """Another program, one number away."""
    tree = ast.parse(source)
    count = sum(isinstance(n, ast.Constant) and bool(n.value) for n in ast.walk(tree))
    target, factor = draw.randrange(count), draw.choice([0.1, 0.5, 0.8, 1.25, 2.0, 10.0])
    return ast.unparse(Mutation(target, factor).visit(tree)) + "\n"


# %% [markdown]
# ## Evolution
#
# The simplest there is: change the best program, keep the change if it is no worse. A program that
# was seen before costs nothing: results are remembered by the digest of its text.

# %%
GENERATIONS = 24
draw = random.Random(0)
best, best_score = SEED, seed_result.score
history = []
for _ in range(GENERATIONS):
    child = mutated(best, draw)
    result = trainer.evaluate_source(child, FLEETS)
    if result.score >= best_score:
        best, best_score = child, result.score
    history.append((result.score, best_score))
invalid = sum(score == 0 for score, _ in history)
print(f"{GENERATIONS} programs, {invalid} of them not valid")
print(f"score {seed_result.score:.4f} -> {best_score:.4f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.4))
generations = range(1, GENERATIONS + 1)
scores = [score for score, _ in history]
floor = min([seed_result.score, *(score for score in scores if score)]) - 0.02
axes.step(generations, [best for _, best in history], where="post", label="best so far")
axes.plot(generations, [score or None for score in scores], "o", label="a program")
failed = [n for n, score in zip(generations, scores, strict=True) if score == 0]
axes.plot(failed, [floor] * len(failed), "x", label="not valid: 0")
axes.axhline(1, linestyle="--", color="grey")
axes.set(xlabel="generation", ylabel="score", ylim=(floor - 0.01, 1.01))
axes.annotate("certified optimum", (1, 1), textcoords="offset points", xytext=(0, -14))
figure.legend(loc="outside upper center", ncols=3)
plt.show()

# %% [markdown]
# ## What is it worth elsewhere?
#
# Five fleets are easily learned by heart. The held-out suite has other seeds, larger fleets, many
# idle models and finer numbers. (Fleets of unequal GPUs, and with constraints, are in it, too. This
# contract has no words for them, `place(instance)` does: see `docs/audit.md`.)

# %%
held_out = Evaluator("evolve-held-out", time_limit=5)
fleets = held_out.names[:14:3]
rows = []
for name, source in (("seed", SEED), ("evolved", best)):
    elsewhere = held_out.evaluate_source(source, fleets)
    rows.append((name, trainer.evaluate_source(source, FLEETS).score, elsewhere.score))
    print(f"{name:8} training {rows[-1][1]:.4f}  held out {rows[-1][2]:.4f}")
assert rows[1][1] >= rows[0][1]

# %% [markdown]
# Whether the gain on the training fleets carries over is exactly what one wants to know, and only
# the held-out column can tell. Look at it last, and once: a suite that is looked at after every
# generation is a training suite.
#
# With a language model as mutation operator the loop stays the same. `docs/evolution.md` has the
# few lines for OpenEvolve, ShinkaEvolve and GEPA.
#
# ## Exercises
#
# 1. Evolve on all fleets of the training suite (leave out `FLEETS`). Does the held-out score
#    change?
# 2. Add an operator to the mutation: swap `+` and `*`, or the two arguments of a division. How
#    many programs are valid now?
# 3. Write the seed as `place(instance)` and evaluate it on the whole held-out suite.
