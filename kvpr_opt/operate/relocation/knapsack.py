"""The most valuable set of models for each GPU, where models at home are worth more than others.

Values are whole numbers: ``values[i]`` for a model at home, ``values[i] - penalties[i]`` for any
other. The table has, for each GPU and each x, the least total size of a set worth at least x; one
more model changes it by one comparison an entry. All numbers are integers, so what the table says
is exact.

References
----------
Martello and Toth (1990), *Knapsack Problems: Algorithms and Computer Implementations*, ch. 2,
Wiley: dynamic programming by value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Ints
from kvpr_opt.operate.relocation.problem import RelocationQuestion

#: Larger than every sum of sizes, which has at most 60 bits.
TOO_LARGE = np.int64(1) << np.int64(61)


@dataclass(frozen=True)
class BestSets:
    """The tables of one question and one vector of values.

    Attributes
    ----------
    best
        The largest value of a set that fits, by GPU.
    least
        The least size of a set worth at least x, by GPU and x.
    """

    best: Ints
    least: Ints
    _question: RelocationQuestion
    _worth: Ints
    _chosen: NDArray[np.int16]

    def models(self, gpu: int, value: int) -> list[int]:
        """A set for a GPU that is worth at least `value`, of least size."""
        found = []
        for stage in range(len(self._question.stages) - 1, -1, -1):
            if value <= 0:
                break
            member = int(self._chosen[stage, gpu, value])
            if member:
                model = self._question.stages[stage][member - 1]
                found.append(model)
                value = max(0, value - int(self._worth[model, gpu]))
        return found


def worth_of(question: RelocationQuestion, values: Ints, penalties: Ints) -> Ints:
    """What each model is worth on each GPU: shape (models, GPUs); negative where it should stay."""
    return np.where(question.at_home, values[:, None], (values - penalties)[:, None])


def best_sets(question: RelocationQuestion, values: Ints, penalties: Ints) -> BestSets:
    """Tabulate the sets that fit each GPU.

    Time and memory are proportional to models, GPUs and the largest value of a set.

    Parameters
    ----------
    question
        Sizes, capacities, homes, and which models go where.
    values
        What each model is worth, at least 0.
    penalties
        What it is worth less where it is not at home, at least 0.
    """
    worth = np.where(question.allowed, np.maximum(worth_of(question, values, penalties), 0), 0)
    top = int(_most(question, worth).max(initial=0))
    gpus = len(question.capacities)
    least = np.full((gpus, top + 2), TOO_LARGE, dtype=np.int64)
    least[:, 0] = 0
    chosen = np.zeros((len(question.stages), gpus, top + 2), dtype=np.int16)
    for stage, members in enumerate(question.stages):
        before = least if len(members) == 1 else least.copy()
        for position, model in enumerate(members):
            for value in np.unique(worth[model]):
                if value:
                    rows = np.flatnonzero(worth[model] == value)
                    new = _with_one_more(before[rows], int(value), question.sizes[model])
                    better = new < least[rows]
                    chosen[stage, rows] = np.where(better, position + 1, chosen[stage, rows])
                    least[rows] = np.where(better, new, least[rows])
    fits = least <= question.capacities[:, None]
    best = fits.shape[1] - 1 - np.argmax(fits[:, ::-1], axis=1)
    return BestSets(best.astype(np.int64), least, question, worth, chosen)


def _with_one_more(least: Ints, value: int, size: np.int64) -> Ints:
    """The least sizes of sets that have a certain model in them."""
    value = min(value, least.shape[1] - 1)
    new = np.full_like(least, size)
    new[:, value + 1 :] += least[:, 1 : least.shape[1] - value]
    return new


def _most(question: RelocationQuestion, worth: Ints) -> Ints:
    """A bound on the value of a set for each GPU: the fractional knapsack, rounded up."""
    found = np.zeros(len(question.capacities), dtype=np.int64)
    for gpu, capacity in enumerate(question.capacities):
        value = worth[:, gpu]
        useful = np.flatnonzero(value)
        density = value[useful] / np.maximum(question.sizes[useful], 1)
        order = useful[np.argsort(-density, kind="stable")]
        whole = int(np.searchsorted(np.cumsum(question.sizes[order]), capacity, side="right"))
        found[gpu] = value[order[: whole + 1]].sum()
    return found
