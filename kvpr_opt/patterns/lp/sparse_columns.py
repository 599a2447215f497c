"""Sparse matrices by columns, and their products, in compiled loops on one thread.

The products of numpy start threads from ten thousand entries on, and on a busy machine
waiting for them takes longer than the work.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.kernels import compiled


class SparseColumns(NamedTuple):
    """A sparse matrix by columns.

    Attributes
    ----------
    starts
        Where each column begins in `rows` and `entries`, and where the last one ends.
    rows, entries
        Row and value of each entry; rows ascend within a column.
    """

    starts: Ints
    rows: Ints
    entries: Floats


@compiled
def dot(left: Floats, right: Floats) -> float:
    """The dot product."""
    total = 0.0
    for i in range(left.size):
        total += left[i] * right[i]
    return total


@compiled
def normal_matrix(columns: SparseColumns, weights: Floats, rows: int) -> Floats:
    """The lower triangle of B diag(weights) B'."""
    starts, row, entry = columns
    matrix = np.zeros((rows, rows))
    for column in range(weights.size):
        for i in range(starts[column], starts[column + 1]):
            weighted = weights[column] * entry[i]
            for j in range(starts[column], i + 1):
                matrix[row[i], row[j]] += weighted * entry[j]
    return matrix


@compiled
def product(columns: SparseColumns, values: Floats, rows: int) -> Floats:
    """B times the values of the columns."""
    starts, row, entry = columns
    result = np.zeros(rows)
    for column in range(values.size):
        for i in range(starts[column], starts[column + 1]):
            result[row[i]] += entry[i] * values[column]
    return result


@compiled
def transposed_product(columns: SparseColumns, values: Floats) -> Floats:
    """B' times the values of the rows."""
    starts, row, entry = columns
    result = np.zeros(starts.size - 1)
    for column in range(result.size):
        for i in range(starts[column], starts[column + 1]):
            result[column] += entry[i] * values[row[i]]
    return result
