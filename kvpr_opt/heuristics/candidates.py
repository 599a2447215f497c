"""Many placements of one fleet side by side, so that one numpy call handles all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kvpr_opt._types import FloatArray, IntArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of

_ARRAYS = ("assign", "free", "pressure", "kvpr")


class Candidates:
    """A batch of B complete placements with their loads.

    Parameters
    ----------
    fleet
        The fleet that all candidates place.
    assign
        GPU of each model, shape (B, models).

    Attributes
    ----------
    free, pressure, kvpr
        By GPU, shape (B, GPUs); kept in step with `assign`.
    """

    def __init__(self, fleet: FleetArrays, assign: IntArray) -> None:
        self.fleet = fleet
        self.assign = np.ascontiguousarray(assign, dtype=np.intp)
        rows = len(assign)
        cells = (self.assign + np.arange(rows)[:, None] * fleet.gpus).ravel()
        shape = (rows, fleet.gpus)

        def by_gpu(amounts: FloatArray) -> FloatArray:
            weights = np.broadcast_to(amounts, assign.shape).ravel()
            sums = np.bincount(cells, weights, rows * fleet.gpus)
            return sums.astype(np.float64, copy=False).reshape(shape)

        self.free: FloatArray = fleet.capacities - by_gpu(fleet.sizes)
        self.pressure = by_gpu(fleet.pressures)
        self.kvpr = kvpr_of(self.pressure, self.free)

    @classmethod
    def joined(cls, fleet: FleetArrays, batches: Sequence[Candidates]) -> Candidates:
        """One batch with the candidates of several batches, in order."""
        whole = cls.__new__(cls)
        whole.fleet = fleet
        nothing = cls(fleet, np.empty((0, fleet.models), dtype=np.intp))
        for name in _ARRAYS:
            parts = [getattr(batch, name) for batch in (nothing, *batches)]
            setattr(whole, name, np.concatenate(parts))
        return whole

    def __len__(self) -> int:
        return len(self.assign)

    def take(self, rows: IntArray) -> Candidates:
        """A copy of some of the candidates."""
        part = Candidates.__new__(Candidates)
        part.fleet = self.fleet
        for name in _ARRAYS:
            setattr(part, name, getattr(self, name)[rows])
        return part

    def replace(self, rows: IntArray, other: Candidates, taken: IntArray) -> None:
        """Overwrite candidates `rows` with candidates `taken` of another batch."""
        for name in _ARRAYS:
            getattr(self, name)[rows] = getattr(other, name)[taken]

    def maximum(self) -> FloatArray:
        """The largest KVPR of each candidate, shape (B,)."""
        largest: FloatArray = self.kvpr.max(axis=1)
        return largest

    def best(self, width: int) -> Candidates:
        """At most `width` candidates, lowest maximum first, without duplicates by load.

        Two candidates count as duplicates if a weighted sum over the sorted KVPRs
        agrees to the last bit. On GPUs of equal memory they then differ only in the
        names of GPUs, except for rare coincidences that cost one candidate.
        """
        profile = np.sort(self.kvpr, axis=1)
        finite = np.where(np.isfinite(profile), profile, 0.0)
        mark = (finite * np.sqrt(np.arange(2.0, 2.0 + self.fleet.gpus))).sum(axis=1)
        order = np.lexsort((mark, self.maximum()))
        largest, mark = self.maximum()[order], mark[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (largest[1:] != largest[:-1]) | (mark[1:] != mark[:-1])
        return self.take(order[new][:width])

    def move(self, rows: IntArray, models: IntArray, targets: IntArray) -> None:
        """Move one model in each of the candidates `rows`, which must be distinct."""
        self._shift(
            rows,
            self.assign[rows, models],
            targets,
            self.fleet.sizes[models],
            self.fleet.pressures[models],
        )
        self.assign[rows, models] = targets

    def swap(self, rows: IntArray, first: IntArray, second: IntArray) -> None:
        """Swap two models in each of the candidates `rows`, which must be distinct."""
        sizes, pressures = self.fleet.sizes, self.fleet.pressures
        gpu_of_first, gpu_of_second = self.assign[rows, first], self.assign[rows, second]
        self._shift(
            rows,
            gpu_of_first,
            gpu_of_second,
            sizes[first] - sizes[second],
            pressures[first] - pressures[second],
        )
        self.assign[rows, first] = gpu_of_second
        self.assign[rows, second] = gpu_of_first

    def _shift(
        self,
        rows: IntArray,
        source: IntArray,
        target: IntArray,
        size: FloatArray,
        pressure: FloatArray,
    ) -> None:
        """Move memory and pressure from one GPU of each row to another."""
        cell = (np.concatenate([rows, rows]), np.concatenate([source, target]))
        self.free[cell] += np.concatenate([size, -size])
        self.pressure[cell] -= np.concatenate([pressure, -pressure])
        self.kvpr[cell] = kvpr_of(self.pressure[cell], self.free[cell])
