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

#: Rows updated together, and the maximum length of their parts. Four rows and a panel of this
#: length stay in the cache; since the length is a constant, the loop compiles to vector code.
_ROWS, _LENGTH = 4, 512


@compiled
def _subtract(row: Floats, other: Floats, factor: float) -> None:
    """Subtract a multiple of a row, in a plain loop that compiles to vector code."""
    for j in range(row.size):
        row[j] -= factor * other[j]


@compiled
def _factorise_panel(matrix: Floats, panel: Floats, first: int, last: int) -> bool:
    """Factorise the columns `first` to `last`; all updates from the left are already done.

    `panel` gets a copy of them, transposed.
    """
    for i in range(first, matrix.shape[0]):
        for k in range(last - first):
            panel[k, i] = matrix[i, first + k]
    for k in range(last - first):
        column = panel[k, first + k :]
        for earlier in range(k):
            _subtract(column, panel[earlier, first + k :], panel[earlier, first + k])
        if not column[0] > 0.0:
            return False
        column /= np.sqrt(column[0])
    for i in range(first, matrix.shape[0]):
        for k in range(min(last, i + 1) - first):
            matrix[i, first + k] = panel[k, i]
    return True


@compiled
def _update_rows(rows: Floats, panel: Floats, factors: Floats, length: int) -> None:
    """Subtract multiples of the panel's rows from four rows, four at a time."""
    second, third, fourth = _LENGTH, 2 * _LENGTH, 3 * _LENGTH
    for k in range(0, _PANEL, 4):
        a0, a1, a2, a3 = factors[0, k], factors[0, k + 1], factors[0, k + 2], factors[0, k + 3]
        b0, b1, b2, b3 = factors[1, k], factors[1, k + 1], factors[1, k + 2], factors[1, k + 3]
        c0, c1, c2, c3 = factors[2, k], factors[2, k + 1], factors[2, k + 2], factors[2, k + 3]
        d0, d1, d2, d3 = factors[3, k], factors[3, k + 1], factors[3, k + 2], factors[3, k + 3]
        place = k * _LENGTH
        for j in range(length):
            p0, p1 = panel[place + j], panel[place + second + j]
            p2, p3 = panel[place + third + j], panel[place + fourth + j]
            rows[j] -= a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3
            rows[second + j] -= b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3
            rows[third + j] -= c0 * p0 + c1 * p1 + c2 * p2 + c3 * p3
            rows[fourth + j] -= d0 * p0 + d1 * p1 + d2 * p2 + d3 * p3


@compiled
def _update(matrix: Floats, panel: Floats, first: int, last: int) -> None:
    """Update the columns after a panel, of which `panel` is the transpose."""
    n = matrix.shape[0]
    part, rows = np.zeros(_PANEL * _LENGTH), np.zeros(_ROWS * _LENGTH)
    factors = np.zeros((_ROWS, _PANEL))
    for left in range(last, n, _LENGTH):
        width = min(_LENGTH, n - left)
        for k in range(_PANEL):
            part[k * _LENGTH : k * _LENGTH + width] = panel[k, left : left + width]
        for top in range(left, n, _ROWS):
            number = min(_ROWS, n - top)
            length = min(width, top + number - left)
            for r in range(number):
                place = r * _LENGTH
                factors[r] = matrix[top + r, first:last]
                rows[place : place + length] = matrix[top + r, left : left + length]
            _update_rows(rows, part, factors, length)
            for r in range(number):
                inside = min(length, top + r + 1 - left)
                matrix[top + r, left : left + inside] = rows[r * _LENGTH : r * _LENGTH + inside]


@compiled
def factorise(matrix: Floats) -> bool:
    """Overwrite the lower triangle with its Cholesky factor; ``False`` if there is none.

    Only the lower triangle is read. Takes n^3 / 3 multiplications, panel by panel.
    """
    n = matrix.shape[0]
    panel = np.zeros((_PANEL, n))
    for first in range(0, n, _PANEL):
        last = min(first + _PANEL, n)
        if not _factorise_panel(matrix, panel, first, last):
            return False
        if last < n:
            _update(matrix, panel, first, last)
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
