"""Where models may run, as tables for compiled code; empty for fleets without rules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import BoolArray, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance

#: Groups are bits; this many fit in a word.
_WORD = 62


class RuleTables(NamedTuple):
    """The rules of a fleet; each table has length 0 if there are none.

    Attributes
    ----------
    pinned
        By model: whether it must stay where it is.
    class_of
        By model: the class whose column in `allowed` says where it may run.
    allowed
        By GPU and class: whether the class may run there.
    grouped, groups
        By model: whether it is in a group, and its groups as bits, in as many words as
        needed. A GPU takes at most one model of a group.
    """

    pinned: BoolArray
    class_of: Ints
    allowed: BoolArray
    grouped: BoolArray
    groups: Ints


#: Every model may run anywhere.
FREE = RuleTables(
    np.zeros(0, np.bool_),
    np.zeros(0, np.int64),
    np.zeros((0, 0), np.bool_),
    np.zeros(0, np.bool_),
    np.zeros((0, 0), np.int64),
)


def rules_of(scaled: ScaledInstance) -> RuleTables:
    """The rules of a fleet, except those about nodes."""
    if not isinstance(scaled, ConstrainedInstance):
        return FREE
    models = len(scaled.sizes)
    pinned, class_of = np.zeros(models, np.bool_), np.zeros(models, np.int64)
    pinned[list(scaled.pinned)] = True
    for number, members in enumerate(scaled.classes):
        class_of[list(members.models)] = number
    words = -(-len(scaled.free_groups) // _WORD)
    groups = np.zeros((models, words), np.int64)
    for number, group in enumerate(scaled.free_groups):
        groups[list(group), number // _WORD] |= 1 << (number % _WORD)
    allowed = np.ascontiguousarray(scaled.allowed, dtype=np.bool_)
    return RuleTables(pinned, class_of, allowed, np.asarray(groups.any(axis=1)), groups)


@compiled
def may_run(rules: RuleTables, model: int, gpu: int) -> bool:
    """Whether a model may run on a GPU, given what is pinned there."""
    return bool(rules.allowed[gpu, rules.class_of[model]])


@compiled
def are_apart(rules: RuleTables, one: int, other: int) -> bool:
    """Whether two models share a group, so that no GPU takes both."""
    if not (rules.grouped[one] and rules.grouped[other]):
        return False
    for word in range(rules.groups.shape[1]):
        if rules.groups[one, word] & rules.groups[other, word]:
            return True
    return False


@compiled
def keeps_apart(clashes: Ints, subset: int) -> bool:
    """Whether no two of a subset of the listed models share a group.

    `clashes` holds, by position in the list, the models that must be kept apart from that
    one, and in the last position all that must be kept apart from any.
    """
    left, place = subset & clashes[clashes.size - 1], 0
    if left & (left - 1) == 0:
        return True
    while left:
        if left & 1 and clashes[place] & subset:
            return False
        left >>= 1
        place += 1
    return True
