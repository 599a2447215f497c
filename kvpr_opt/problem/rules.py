"""Which sets of models a GPU may hold, where constraints say more than sizes do.

By classes of models and types of GPUs: a class may be kept out of a type, and
of the classes of a group a bin takes one item at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import BoolArray, Ints


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of a fleet.

    Attributes
    ----------
    allowed
        By type and class: whether items of the class may go to bins of the type.
    member
        By group and class: 1 where the items of the class are in the group.
    group_of
        By class: the largest of its groups, -1 without one. A knapsack keeps these;
        the other groups of a class in several are kept by :meth:`keep`.
    profile_of
        By type: types of equal number allow the same classes.
    """

    allowed: BoolArray
    member: Ints
    group_of: Ints
    profile_of: Ints

    @classmethod
    def of(cls, allowed: BoolArray, groups: Sequence[Sequence[int]], classes: int) -> Rules:
        """The rules of a fleet.

        Parameters
        ----------
        allowed
            By type and class.
        groups
            By group the classes of its models, one entry a model.
        classes
            How many there are.
        """
        member = np.zeros((len(groups), classes), dtype=np.int64)
        group_of = np.full(classes, -1, dtype=np.int64)
        for number, group in enumerate(groups):
            member[number, list(group)] = 1
            for c in group:
                if group_of[c] < 0 or len(groups[group_of[c]]) < len(group):
                    group_of[c] = number
        _, profile_of = np.unique(allowed, axis=0, return_inverse=True)
        return cls(allowed, member, group_of, np.asarray(profile_of, dtype=np.int64).reshape(-1))

    def keep(self, counts: NDArray[np.integer], types: Ints) -> BoolArray:
        """Which patterns keep all rules."""
        # Rows are long and sparse.
        rows, classes = np.nonzero(counts)
        kept = np.ones(len(counts), dtype=bool)
        kept[rows[~self.allowed[types[rows], classes]]] = False
        if len(self.member) and len(rows):
            some, starts = np.unique(rows, return_index=True)
            held = self.member.T.astype(np.int16)[classes] * counts[rows, classes, None]
            kept[some[(np.add.reduceat(held, starts) > 1).any(axis=1)]] = False
        return kept
