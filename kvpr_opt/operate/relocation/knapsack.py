"""The most valuable sets of models for each GPU, where models at home are worth more than others.

Values are whole numbers: ``values[i]`` for a model at home, ``values[i] - penalties[i]`` for any
other. The table has, for each GPU and each x, the least total size of a set worth at least x; one
more model changes it by one comparison an entry. A model away from its home matters only where it
is worth more than its move costs, which few are: those change the rows of all GPUs at once, and
the models at home one row each, the first of every GPU together, then the second, and so on.
All numbers are integers, so what the table says is exact.

References
----------
Martello and Toth (1990), *Knapsack Problems: Algorithms and Computer Implementations*, ch. 2,
Wiley: dynamic programming by value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import BoolArray, Ints
from kvpr_opt.operate.relocation.problem import RelocationQuestion

#: Larger than every sum of sizes, which has at most 60 bits.
TOO_LARGE = np.int64(1) << np.int64(61)

#: Initial width of the table, in values; it is doubled until all values fit.
_FIRST_WIDTH = 64

# Entries of the table, times models, that are kept at once: more GPUs are taken in turn.
_MAX_ENTRIES = 1 << 27


def worth_of(question: RelocationQuestion, values: Ints, penalties: Ints) -> Ints:
    """What each model is worth on each GPU: shape (models, GPUs); negative where it should stay."""
    return np.where(question.at_home, values[:, None], (values - penalties)[:, None])


class BestSets(NamedTuple):
    """The most valuable sets of one question and one vector of values.

    Attributes
    ----------
    best
        The largest value of a set that fits, by GPU.
    gpus, sets
        For each GPU a set of that value and one of a unit less, where that is above 0: their
        GPUs, and a row of truth values by model each.
    """

    best: Ints
    gpus: Ints
    sets: BoolArray


class SetPricing:
    """Finds the most valuable sets of one question, for any values.

    Parameters
    ----------
    question
        Sizes, capacities, homes, and which models go where.
    """

    def __init__(self, question: RelocationQuestion) -> None:
        self._question = question
        self._home = question.problem.homes
        # By model and GPU: its size where it may run, and where it may and is not at home.
        self._size = np.where(question.allowed, question.sizes[:, None], TOO_LARGE)
        self._size_away = np.where(question.at_home, TOO_LARGE, self._size)
        unbound = self._home < 0
        self._size_away[unbound] = self._size[unbound]
        self._alone = [members[0] for members in question.stages if len(members) == 1]
        self._groups = [members for members in question.stages if len(members) > 1]
        self._residents = self._by_position()
        # Whether what fits a GPU may run there, alone or with others.
        fits = question.sizes[:, None] <= question.capacities
        self._alike = not self._groups and bool((question.allowed == fits).all())
        self._width = _FIRST_WIDTH

    def _by_position(self) -> Ints:
        """Models at home that are in no group: shape (positions, GPUs), -1 for none."""
        gpus = len(self._question.capacities)
        found: list[list[int]] = [[] for _ in range(gpus)]
        for model in self._alone:
            gpu = int(self._home[model])
            if gpu >= 0 and self._question.allowed[model, gpu]:
                found[gpu].append(model)
        positions = np.full((max(map(len, found), default=0), gpus), -1, dtype=np.int64)
        for gpu, models in enumerate(found):
            positions[: len(models), gpu] = models
        return positions

    def best(self, values: Ints, penalties: Ints) -> BestSets:
        """Tabulate the sets that fit each GPU.

        Time and memory are proportional to the GPUs, the largest value of a set, and the number
        of models that are worth something away from their home.

        Parameters
        ----------
        values
            What each model is worth, at least 0.
        penalties
            What it is worth less where it is not at home, at least 0.
        """
        gpus = len(self._question.capacities)
        # Where it runs nowhere, a model is worth the same everywhere.
        away = np.where(self._home < 0, values, values - penalties)
        wanted = self._undominated(away)
        made: list[BestSets] = []
        while sum(len(part.best) for part in made) < gpus:
            first = sum(len(part.best) for part in made)
            steps = len(wanted) + len(self._residents) + len(self._groups)
            number = max(1, _MAX_ENTRIES // (max(1, steps) * self._width))
            rows = np.arange(first, min(gpus, first + number))
            part = _Table(self, rows, self._width).filled(values, away, wanted)
            if part is None:
                self._width *= 2
            else:
                made.append(part)
        return BestSets(*(np.concatenate(column) for column in zip(*made, strict=True)))

    def _undominated(self, away: Ints) -> Ints:
        """The models that a best set may need where they are not at home.

        Another model of no larger size that is worth no less can take the place of one, unless
        the set has it already. So a model is not needed if all of the others like that do not
        fit beside it.
        """
        useful = np.array([model for model in self._alone if away[model] > 0], dtype=np.int64)
        if not self._alike or not useful.size:
            return useful
        sizes = self._question.sizes[useful]
        useful = useful[np.lexsort((sizes, -away[useful]))]
        sizes, worth = self._question.sizes[useful], away[useful]
        # Of two that are equal in both, the first may take the place of the second.
        better = (worth[:, None] >= worth) & (sizes[:, None] <= sizes)
        before = np.triu(better, 1)
        together = sizes @ before + sizes
        needed: Ints = useful[together <= self._question.capacities.max(initial=0)]
        return needed

    def with_residents(self, sets: BoolArray, gpus: Ints) -> BoolArray:
        """The same sets plus any models at home that still fit, which cost nothing."""
        sizes, capacities = self._question.sizes, self._question.capacities
        sets = sets.copy()
        room = capacities[gpus] - sets @ sizes
        every = np.arange(len(gpus))
        for residents in self._residents:
            model = residents[gpus]
            added = (model >= 0) & ~sets[every, model] & (sizes[model] <= room)
            sets[every[added], model[added]] = True
            room -= np.where(added, sizes[model], 0)
        return sets


class _Step(NamedTuple):
    """One more model a row: which, its worth there, by entry whether it was taken, its group."""

    models: Ints
    worth: Ints
    taken: BoolArray
    group: int | None


class _Table:
    """The table of some GPUs, and for each step and entry whether a model was taken."""

    def __init__(self, pricing: SetPricing, rows: Ints, width: int) -> None:
        self._pricing = pricing
        self._question = pricing._question
        self._rows, self._width = rows, width
        self._least = np.full((len(rows), width + 1), TOO_LARGE, dtype=np.int64)
        self._least[:, 0] = 0
        self._reached = 0
        self._steps: list[_Step] = []

    def filled(self, values: Ints, away: Ints, wanted: Ints) -> BestSets | None:
        """The best sets, with `wanted` where not at home; ``None`` if the width is too small."""
        pricing, rows = self._pricing, self._rows
        for model in wanted:
            self._take_anywhere(int(model), int(away[model]), pricing._size_away[model, rows])
        self._reached = self._width
        for models in pricing._residents:
            here = models[rows]
            self._take(here, np.where(here >= 0, values[here], 0), self._least)
        for number, members in enumerate(pricing._groups):
            before = self._least.copy()
            for model in members:
                worth = np.where(pricing._home[model] == rows, values[model], away[model])
                self._take(np.full(len(rows), model), worth, before, group=number)
        fits = self._least <= self._question.capacities[rows][:, None]
        if fits[:, -1].any():
            return None
        best = self._width - np.argmax(fits[:, ::-1], axis=1)
        asked = np.concatenate([np.arange(len(rows)), np.flatnonzero(best > 1)])
        wanted = np.concatenate([best, best[best > 1] - 1])
        return BestSets(best, rows[asked], self._sets(asked, wanted))

    def _take_anywhere(self, model: int, worth: int, sizes: Ints) -> None:
        """Let every row take a model of the same worth everywhere."""
        reached = min(self._width, self._reached + worth)
        worth = min(worth, self._width)
        least = self._least[:, : reached + 1]
        new = np.empty_like(least)
        new[:, : worth + 1] = sizes[:, None]
        np.add(least[:, 1 : reached + 1 - worth], sizes[:, None], out=new[:, worth + 1 :])
        better = new < least
        np.copyto(least, new, where=better)
        self._reached = reached
        rows = len(self._rows)
        self._steps.append(_Step(np.full(rows, model), np.full(rows, worth), better, None))

    def _take(self, models: Ints, worth: Ints, before: Ints, *, group: int | None = None) -> None:
        """Let every row take a model of its own, where that is worth something."""
        used = np.flatnonzero(worth > 0)
        if not used.size:
            return
        sizes = self._pricing._size[models[used], self._rows[used]]
        left = np.maximum(np.arange(self._width + 1) - worth[used, None], 0)
        new = np.take_along_axis(before[used], left, axis=1) + sizes[:, None]
        better = np.zeros(self._least.shape, dtype=bool)
        better[used] = new < self._least[used]
        self._least[used] = np.minimum(new, self._least[used])
        self._steps.append(_Step(models, worth, better, group))

    def _sets(self, rows: Ints, values: Ints) -> BoolArray:
        """A set of least size for each row asked for, worth at least a value."""
        found = np.zeros((len(rows), len(self._question.sizes)), dtype=bool)
        every, values, group = np.arange(len(rows)), values.copy(), None
        has_one = np.zeros(len(rows), dtype=bool)
        for step in reversed(self._steps):
            if step.group != group:
                group, has_one = step.group, np.zeros(len(rows), dtype=bool)
            takes = (values > 0) & (values < step.taken.shape[1]) & ~has_one
            takes[takes] = step.taken[rows[takes], values[takes]]
            found[every[takes], step.models[rows[takes]]] = True
            values = np.where(takes, np.maximum(values - step.worth[rows], 0), values)
            if group is not None:
                has_one |= takes
        return found
