"""Beam search: bins are filled one after another, and the most promising states are kept.

On nearly continuous data almost every choice of models has a load of its own, and a
hundred thousand of them fill a GPU to within a millionth. What decides is whether the
last GPUs can be filled with the models left for them. So each state of the search is
judged by the expected number of packings of what it leaves
(:mod:`kvpr_opt.patterns.best_fillings`): it is better to use up few models, large ones,
and to waste little. The
hardest models come first, and the small ones, of which many sets can be formed, are left to
the end (Ow and Morton 1988, doi:10.1080/00207548808947840, on beams; Korf 1998,
doi:10.1016/S0004-3702(98)00086-1, on such counts in number partitioning).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.limits import LimitsView
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.patterns.best_fillings import Best, Scratch, new_best, new_scratch
from kvpr_opt.patterns.fillings import find_fillings
from kvpr_opt.patterns.problem import Packing, PackingQuestion

#: Fillings kept of each state, and the weight of chance in their scores.
_CHILDREN, _NOISE = 6, 0.1

#: States kept beyond those that the last level had time for, as a factor; and the most
#: items that all of them may hold.
_KEPT, _ITEMS = 4, 2_000_000

#: The last bins, where states are cheap and many are needed, get up to this many times the work.
_LAST = 40

#: Work between checks of the limits: some ten milliseconds.
_SLICE = 1_000_000


@dataclass(frozen=True)
class _States:
    """The states of one level.

    Attributes
    ----------
    items, counts
        The items left by falling size, a row each, and how many.
    slacks, squares
        What may still be wasted, and the sum of the squared sizes.
    parents, added, lengths
        From which state each comes, and by which filling.
    """

    items: Ints
    counts: Ints
    slacks: Ints
    squares: Floats
    parents: Ints
    added: Ints
    lengths: Ints

    @classmethod
    def first(cls, items: int, slack: int, squares: float) -> _States:
        """The state in which all bins are empty."""
        one = np.zeros(1, dtype=np.int64)
        return cls(
            np.arange(items, dtype=np.int64)[None, :], one + items, one + slack,
            np.array([squares]), one, np.zeros((1, 0), dtype=np.int64), one,
        )  # fmt: skip


def beam_search(
    question: PackingQuestion, limits: LimitsView, *, work: int, seed: int
) -> Packing | None:
    """Return a packing, if one is found.

    Parameters
    ----------
    question
        The items and bins; without rules. Worthwhile if the sizes are nearly continuous and
        no bin may waste more than a little.
    limits
        When to give up.
    work
        Work on each of the first bins, about 1e8 a second; on the last ones it is forty times
        as much. Each bin is filled in at least one way.
    seed
        Seed of the random choices.
    """
    if question.slack < 0 or not question.counts.any():
        return None
    search = _Search(question, limits, work, seed)
    return search.run()


class _Search:
    """One search; a level fills one bin."""

    def __init__(self, question: PackingQuestion, limits: LimitsView, work: int, seed: int) -> None:
        self._question, self._limits, self._work = question, limits, work
        class_of = np.repeat(np.arange(len(question.counts)), question.counts)
        order = np.argsort(-question.sizes[class_of], kind="stable")
        self._class_of = class_of[order]
        self._sizes = question.sizes[self._class_of]
        types = np.repeat(np.arange(len(question.multiplicities)), question.multiplicities)
        # A bin that no item fits stays empty.
        useful = question.capacities[types] >= self._sizes[-1]
        self._slack = question.slack - int(question.capacities[types[~useful]].sum())
        self._types = np.random.default_rng(seed).permutation(types[useful])
        self._unit = float(question.capacities[types].mean())
        self._random = seeded(seed)
        self._scratch = new_scratch()

    def run(self) -> Packing | None:
        """Fill bin after bin."""
        number = len(self._types)
        if number == 0 or self._slack < 0:
            return None
        squares = float(((self._sizes / self._unit) ** 2).sum())
        states = _States.first(len(self._sizes), self._slack, squares)
        levels = [states]
        expected = 1
        for bins in range(number, 1, -1):
            room = max(1, _ITEMS // len(self._sizes))
            best = new_best(min(len(states.counts), room), _CHILDREN)
            capacity = int(self._question.capacities[self._types[number - bins]])
            work = self._work * min(_LAST, number // bins)
            expanded = self._expand(best, states, capacity, bins, work)
            if expanded == 0 or self._limits.stopped:
                return None
            expected = max(expected, _KEPT * expanded)
            states = self._next(best, states, expanded, min(expected, room))
            if len(states.counts) == 0:
                return None
            levels.append(states)
            if not states.counts.all():
                break  # nothing is left for the other bins
        return self._packing(levels)

    def _expand(self, best: Best, states: _States, capacity: int, bins: int, work: int) -> int:
        """Find the fillings of the first states, as far as the work goes; return how many."""
        done, first = 0, 0
        while first < len(best.scores) and done < work and not self._limits.stopped:
            first, more = _expand_some(
                best, self._scratch, self._sizes, states.items, states.counts, states.slacks,
                states.squares, first, capacity, bins, self._unit, _NOISE, self._random,
                min(work - done, _SLICE),
            )  # fmt: skip
            done += more
        return first

    def _next(self, best: Best, states: _States, expanded: int, most: int) -> _States:
        """The best states of the next level, the most promising first."""
        scores = best.scores[:expanded].ravel()
        found = np.flatnonzero(scores > -np.inf)
        found = found[np.argsort(-scores[found], kind="stable")[: 2 * most]]
        # The same items in another order, or equal ones, leave the same slack.
        parents, children = np.divmod(found, _CHILDREN)
        slacks = states.slacks[parents] - best.wastes[parents, children]
        lengths = best.lengths[parents, children]
        keys = slacks * 32 + lengths % 32
        kept = np.sort(np.unique(keys, return_index=True)[1])[:most]
        parents, children = parents[kept], children[kept]
        slacks, lengths = slacks[kept], lengths[kept]
        items = np.zeros((len(kept), states.items.shape[1]), dtype=np.int64)
        counts, squares = np.zeros(len(kept), dtype=np.int64), np.zeros(len(kept))
        added = np.zeros((len(found), int(lengths.max(initial=0))), dtype=np.int64)
        _take_out(
            self._sizes, self._unit, states.items, states.counts, states.squares, parents,
            best.members[parents, children], lengths, items, counts, squares, added,
        )  # fmt: skip
        return _States(items, counts, slacks, squares, parents, added, lengths)

    def _packing(self, levels: list[_States]) -> Packing:
        """The packing of the best state; what it leaves goes to the next bin."""
        classes = len(self._question.counts)
        counts = np.zeros((len(levels), classes), dtype=np.int16)
        last = levels[-1]
        at = int(np.argmin(last.counts)) if not last.counts.all() else 0
        np.add.at(counts[len(levels) - 1], self._class_of[last.items[at, : last.counts[at]]], 1)
        for bin_, states in zip(range(len(levels) - 2, -1, -1), levels[:0:-1], strict=True):
            np.add.at(counts[bin_], self._class_of[states.added[at, : states.lengths[at]]], 1)
            at = int(states.parents[at])
        return Packing(counts, self._types[: len(levels)])


@compiled
def _expand_some(
    best: Best, scratch: Scratch, sizes: Ints, items: Ints, counts: Ints, slacks: Ints,
    squares: Floats, first: int, capacity: int, bins: int, unit: float, noise: float,
    random: Ints, work: int,
) -> tuple[int, int]:  # fmt: skip
    """Find the fillings of states from `first` on; return the next state and the work done."""
    done = 0
    while first < len(best.scores) and done < work:
        own = Best(best.scores[first], best.wastes[first], best.lengths[first], best.members[first])
        done += find_fillings(
            own, scratch, sizes, items[first, : counts[first]], capacity, bins, slacks[first],
            squares[first], unit, noise, random,
        )  # fmt: skip
        first += 1
    return first, done


@compiled
def _take_out(
    sizes: Ints, unit: float, before: Ints, counts_before: Ints, squares_before: Floats,
    parents: Ints, members: Ints, lengths: Ints, items: Ints, counts: Ints, squares: Floats,
    added: Ints,
) -> None:  # fmt: skip
    """Take the items of a filling out of those of each state's parent."""
    for state in range(len(parents)):
        parent = parents[state]
        taken, left = 0, 0
        squares[state] = squares_before[parent]
        for place in range(counts_before[parent]):
            item = before[parent, place]
            if taken < lengths[state] and members[state, taken] == place:
                added[state, taken] = item
                squares[state] -= (sizes[item] / unit) ** 2
                taken += 1
            else:
                items[state, left] = item
                left += 1
        counts[state] = left
