"""Names for the arrays that are passed around, by the type of their entries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: What compiled kernels work on.
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Counts = NDArray[np.int16]

#: What the numpy heuristic works on.
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
