"""Compiled Cholesky factorisation of small dense matrices.

Not taken from LAPACK because numpy gives no control over the number of threads of its
BLAS, and on matrices of some hundred rows several threads make it many times slower.
This code uses one thread and gives the same digits on every machine.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Floats
from kvpr_opt.kernels import compiled

#: Columns factorised before the rest of the matrix is updated; a multiple of four.
_PANEL = 32


@compiled
def _factorise_panel(matrix: Floats, first: int, last: int) -> bool:
    """Factorise the columns `first` to `last`; all updates from the left are already done."""
    for j in range(first, last):
        for i in range(j, matrix.shape[0]):
            total = matrix[i, j]
            for k in range(first, j):
                total -= matrix[i, k] * matrix[j, k]
            if i > j:
                matrix[i, j] = total / matrix[j, j]
            elif total > 0.0:
                matrix[j, j] = np.sqrt(total)
            else:
                return False
    return True


@compiled
def _subtract_four(
    row: Floats, one: Floats, two: Floats, three: Floats, four: Floats, factors: Floats
) -> None:
    """Subtract multiples of four rows, in a plain loop that compiles to vector code."""
    a, b, c, d = factors[0], factors[1], factors[2], factors[3]
    for j in range(row.size):
        row[j] -= a * one[j] + b * two[j] + c * three[j] + d * four[j]


@compiled
def factorise(matrix: Floats) -> bool:
    """Overwrite the lower triangle with its Cholesky factor; ``False`` if there is none.

    Only the lower triangle is read. Takes n^3 / 3 multiplications, panel by panel, so
    that a row of the remainder and four of the panel stay in the cache.
    """
    n = matrix.shape[0]
    panel = np.zeros((_PANEL, n))
    for first in range(0, n, _PANEL):
        last = min(first + _PANEL, n)
        if not _factorise_panel(matrix, first, last):
            return False
        if last == n:
            break
        for i in range(last, n):
            for k in range(_PANEL):
                panel[k, i] = matrix[i, first + k]
        for i in range(last, n):
            row = matrix[i, last : i + 1]
            for k in range(0, _PANEL, 4):
                _subtract_four(
                    row,
                    panel[k, last : i + 1],
                    panel[k + 1, last : i + 1],
                    panel[k + 2, last : i + 1],
                    panel[k + 3, last : i + 1],
                    panel[k : k + 4, i].copy(),
                )
    return True


@compiled
def solve_factorised(factor: Floats, right: Floats) -> Floats:
    """Solve L L^T x = `right`, given the factor L in a lower triangle."""
    n = right.size
    x: Floats = right.copy()
    for i in range(n):
        total = x[i]
        for j in range(i):
            total -= factor[i, j] * x[j]
        x[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        x[i] /= factor[i, i]
        value = x[i]
        for j in range(i):
            x[j] -= factor[i, j] * value
    return x
