"""Dual vectors: integer proofs that a question has no packing, found and checked.

A value v_c for every model class and V_k for every GPU type refute a question
if no set of models that fits a GPU of type k is worth more than V_k, and all
models together are worth more than all GPUs: sum of v_c > sum of G_k V_k.
Wherever v comes from, both conditions are stated and checked here in integer
arithmetic: nothing rests on a float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Floats, Ints
from kvpr_opt.patterns.lp.knapsack_by_load import MAX_LOADS, MAX_VALUE, most_values
from kvpr_opt.patterns.lp.knapsack_by_value import best_value, least_loads, value_limit
from kvpr_opt.patterns.lp.pricing_with_rules import most_with_rules
from kvpr_opt.patterns.problem import DualValues, PackingQuestion

#: The check is skipped above this many table entries: items times values, or times loads, of
#: which one takes a quarter of the time.
MAX_ENTRIES, MAX_LOAD_ENTRIES = 600_000_000, 2_400_000_000


@dataclass(frozen=True)
class Items:
    """The items of a question one by one; only as many copies as can share a bin."""

    sizes: Ints
    owner: Ints

    @classmethod
    def of(cls, question: PackingQuestion, wanted: NDArray[np.bool_]) -> Items:
        """Items of the `wanted` classes that fit some bin, largest first."""
        largest = int(question.capacities[question.multiplicities > 0].max(initial=0))
        sizes = question.sizes
        copies = np.minimum(question.counts, largest // np.maximum(sizes, 1))
        order = np.argsort(-sizes, kind="stable")
        order = order[wanted[order] & (copies[order] > 0)]
        owner = np.repeat(order, copies[order])
        return cls(sizes=sizes[owner], owner=owner)


@dataclass(frozen=True)
class Bundles:
    """The items of a question, with copies in bundles of 1, 2, 4, ... and a remainder.

    Every number of copies is a sum of bundles, so a knapsack over bundles is equivalent
    to one over items, with fewer rows.

    Attributes
    ----------
    sizes, owner, copies
        By bundle: its size, its class, and its number of copies.
    """

    sizes: Ints
    owner: Ints
    copies: Ints

    @classmethod
    def of(cls, question: PackingQuestion, wanted: NDArray[np.bool_]) -> Bundles:
        """Bundles of the `wanted` classes that fit some bin, largest items first."""
        items = Items.of(question, wanted)
        classes, starts, numbers = np.unique(items.owner, return_index=True, return_counts=True)
        if len(classes) == len(items.owner):
            return cls(items.sizes, items.owner, np.ones_like(items.owner))
        owner, copies = [], []
        order = np.argsort(starts, kind="stable")
        for c, number in zip(classes[order], numbers[order], strict=True):
            left, bundle = int(number), 1
            while left:
                bundle = min(bundle, left)
                owner.append(c)
                copies.append(bundle)
                left -= bundle
                bundle *= 2
        owners = np.array(owner, dtype=np.int64)
        multiples = np.array(copies, dtype=np.int64)
        return cls(sizes=question.sizes[owners] * multiples, owner=owners, copies=multiples)

    def worth(self, values: Ints) -> Ints:
        """The values of the bundles, from those of each class."""
        return np.asarray(values[self.owner] * self.copies)


def most_by_type(question: PackingQuestion, values: Ints) -> Ints | None:
    """The exact maximum worth of a set of models within the capacity of each type.

    ``None`` if the table would be too large.
    """
    if question.rules is not None:
        return most_with_rules(question, values)
    items = Bundles.of(question, values > 0)
    worth = items.worth(values)
    limit = int(question.capacities.max())
    if worth.size == 0:
        return np.zeros(len(question.capacities), dtype=np.int64)
    top = value_limit(items.sizes, worth, limit)
    short = limit < MAX_LOADS and limit * worth.size <= MAX_LOAD_ENTRIES
    if short and limit < 4 * top < 4 * MAX_VALUE:
        return most_values(items.sizes, worth, question.capacities)
    if top * worth.size > MAX_ENTRIES:
        return None
    loads = least_loads(items.sizes, worth, top, limit)
    return np.array([best_value(loads, c) for c in question.capacities], dtype=np.int64)


def refutes(question: PackingQuestion, values: Ints) -> DualValues | None:
    """The dual vector with these class values, if it refutes the question."""
    most = most_by_type(question, values)
    if most is None or int(values @ question.counts) <= int(most @ question.multiplicities):
        return None
    return DualValues(tuple(values.tolist()), tuple(most.tolist()))


def least_shortfall(question: PackingQuestion, proof: DualValues) -> float:
    """By which share the bins are too few, at least."""
    worth = np.array(proof.class_values, dtype=np.float64) @ question.counts
    held = np.array(proof.type_values, dtype=np.float64) @ question.multiplicities
    return float(worth / held) - 1 if held > 0 else math.nan


def rounded(values: Floats, scale: float) -> Ints:
    """Float values as multiples of 1 / `scale`."""
    return np.asarray(np.rint(np.maximum(values, 0.0) * scale).astype(np.int64))


def refuted_at_once(question: PackingQuestion) -> DualValues | None:
    """A proof, if the items outweigh the bins or one of them fits no bin."""
    if question.slack < 0:
        return DualValues(tuple(question.sizes.tolist()), tuple(question.capacities.tolist()))
    fits_type = question.capacities[:, None] >= question.sizes[None, :]
    if question.rules is not None:
        fits_type &= question.rules.allowed
    homeless = ~fits_type[question.multiplicities > 0].any(axis=0)
    too_large = np.flatnonzero((question.counts > 0) & homeless)
    if too_large.size == 0:
        return None
    values = np.zeros(len(question.sizes), dtype=np.int64)
    values[too_large[0]] = 1
    fits = fits_type[:, too_large[0]]
    return DualValues(tuple(values.tolist()), tuple(fits.astype(np.int64).tolist()))
