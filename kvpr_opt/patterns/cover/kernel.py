"""The depth-first search of :mod:`patterns.cover`, compiled and resumable."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Floats, Ints, Words
from kvpr_opt.kernels import compiled

FOUND, EXHAUSTED, PAUSED = 1, 0, 2

#: How often a node tightens its bounds using the patterns still left.
_PASSES = 3

#: Indices into the cursor of a search.
_DEPTH, _FRESH, _NODES = 0, 1, 2


class CoverTable(NamedTuple):
    """The constant data of a search: patterns, least waste first, and classes.

    `members` lists the classes of pattern p from ``starts[p]`` to
    ``starts[p + 1]``, `shares` the load that each of them brings. `waste` is by
    pattern and budget, `ratios` the same over the load of the pattern. `sizes`,
    `word_of`, `shift_of` and `mask_of` are by class.
    """

    words: Words
    types: Ints
    starts: Ints
    members: Ints
    shares: Floats
    waste: Ints
    ratios: Floats
    sizes: Floats
    word_of: Ints
    shift_of: Ints
    mask_of: Words
    guards: Words


class State(NamedTuple):
    """The state of the search. All arrays but the last six are by depth.

    `lists` holds, one after the other, the patterns still possible at each
    depth, from `begin` to `end`; `at` is the next one to try, `branch` the class
    to pack, `chosen` the pattern taken, `slot` the position in the memory of failed
    states, `rest` the items left and `room` the waste left. `left` counts the bins
    left by type.
    """

    begin: Ints
    end: Ints
    at: Ints
    branch: Ints
    chosen: Ints
    slot: Ints
    rest: Words
    room: Ints
    lists: NDArray[np.int32]
    left: Ints
    failed: Words
    in_use: NDArray[np.uint8]
    cursor: Ints
    low: Floats


def start(table: CoverTable, items: Words, numbers: Ints, room: Ints, memory: int) -> State:
    """The search before its first node."""
    depths = int(numbers.sum()) + 2
    patterns, width, classes = len(table.types), len(table.guards), len(table.sizes)
    state = State(
        begin=np.zeros(depths, dtype=np.int64),
        end=np.zeros(depths, dtype=np.int64),
        at=np.zeros(depths, dtype=np.int64),
        branch=np.zeros(depths, dtype=np.int64),
        chosen=np.zeros(depths, dtype=np.int64),
        slot=np.zeros(depths, dtype=np.int64),
        rest=np.zeros((depths, width), dtype=np.uint64),
        room=np.zeros((depths, len(room)), dtype=np.int64),
        lists=np.zeros(depths * patterns + 1, dtype=np.int32),
        left=numbers.copy(),
        failed=np.zeros((memory, width + len(numbers)), dtype=np.uint64),
        in_use=np.zeros(memory, dtype=np.uint8),
        cursor=np.array([0, 1, 0], dtype=np.int64),
        low=np.zeros((classes, len(room))),
    )
    state.lists[:patterns] = np.arange(patterns, dtype=np.int32)
    state.end[0] = patterns
    state.rest[0] = items
    state.room[0] = room
    return state


@compiled
def search(table: CoverTable, state: State, work: int) -> int:
    """Continue until a packing is found, the search is complete or `work` entries were read."""
    cursor = state.cursor
    done = 0
    while done < work:
        d = cursor[_DEPTH]
        if cursor[_FRESH] == 1:
            cursor[_FRESH] = 0
            cursor[_NODES] += 1
            if not state.rest[d].any():
                return FOUND
            done += 64 + _open(table, state, d)
        pattern = _next(table, state, d)
        if pattern >= 0:
            done += _descend(table, state, d, pattern)
            cursor[_DEPTH] = d + 1
            cursor[_FRESH] = 1
            continue
        _remember(state, d)
        if d == 0:
            return EXHAUSTED
        cursor[_DEPTH] = d - 1
        state.left[table.types[state.chosen[d - 1]]] += 1
    return PAUSED


@compiled
def _open(table: CoverTable, state: State, d: int) -> int:
    """Prepare a node; it gets no patterns if it failed before or its bounds exclude a packing."""
    state.at[d] = state.end[d]
    state.slot[d] = _slot(state, d)
    if d == state.branch.size - 2 or _failed_before(state, d):
        return 0
    work = (state.end[d] - state.begin[d]) * _PASSES
    state.branch[d] = _tighten(table, state, d)
    state.at[d] = state.begin[d] if state.branch[d] >= 0 else state.end[d]
    return int(work)


@compiled
def _tighten(table: CoverTable, state: State, d: int) -> int:
    """Drop patterns that the bounds exclude; return the class in fewest patterns, or -1.

    Each item bears at least the smallest waste per unit of load that its class has in
    any pattern left. The sum over the items is a lower bound on the waste still to
    come; a pattern that lifts it above the waste left is dropped. -1: nothing fits.
    """
    classes, budgets = table.sizes.size, state.room.shape[1]
    volume = np.empty(classes)
    for c in range(classes):
        field = (state.rest[d, table.word_of[c]] >> np.uint64(table.shift_of[c])) & table.mask_of[c]
        volume[c] = table.sizes[c] * field
    spare = np.empty(budgets)
    branch = -1
    for _ in range(_PASSES):
        branch = _least_waste(table, state, d, volume)
        if branch < 0:
            return -1
        for b in range(budgets):
            needed = 0.0
            for c in range(classes):
                if volume[c] > 0:
                    needed += state.low[c, b] * volume[c]
            # The margin covers the rounding of the float sums.
            spare[b] = state.room[d, b] * (1 + 1e-9) + 1e-6 - needed
            if spare[b] < 0:
                return -1
        before = state.end[d] - state.begin[d]
        kept = _drop(table, state, d, spare)
        if (before - kept) * 10 <= kept:
            break
    return branch


@compiled
def _least_waste(table: CoverTable, state: State, d: int, volume: Floats) -> int:
    """Find the least waste per unit of load by class; return the rarest class, or -1."""
    count = np.zeros(volume.size, dtype=np.int64)
    low = state.low
    low[:, :] = np.inf
    for x in range(state.begin[d], state.end[d]):
        p = state.lists[x]
        for y in range(table.starts[p], table.starts[p + 1]):
            c = table.members[y]
            count[c] += 1
            for b in range(low.shape[1]):
                if table.ratios[p, b] < low[c, b]:
                    low[c, b] = table.ratios[p, b]
    branch, fewest = -1, np.iinfo(np.int64).max
    for c in range(volume.size):
        if volume[c] > 0 and count[c] < fewest:
            branch, fewest = c, count[c]
    return branch if fewest > 0 else -1


@compiled
def _drop(table: CoverTable, state: State, d: int, spare: Floats) -> int:
    """Remove the patterns whose waste beyond what their items bear exceeds `spare`."""
    z = state.begin[d]
    for x in range(state.begin[d], state.end[d]):
        p = state.lists[x]
        keep = True
        for b in range(spare.size):
            excess = float(table.waste[p, b])
            for y in range(table.starts[p], table.starts[p + 1]):
                excess -= state.low[table.members[y], b] * table.shares[y]
            if excess > spare[b]:
                keep = False
                break
        if keep:
            state.lists[z] = p
            z += 1
    state.end[d] = z
    return int(z - state.begin[d])


@compiled
def _next(table: CoverTable, state: State, d: int) -> int:
    """The next pattern that holds the class to pack, or -1."""
    while state.at[d] < state.end[d]:
        p = state.lists[state.at[d]]
        state.at[d] += 1
        for y in range(table.starts[p], table.starts[p + 1]):
            if table.members[y] == state.branch[d]:
                return int(p)
    return -1


@compiled
def _descend(table: CoverTable, state: State, d: int, p: int) -> int:
    """Take a pattern; the node below keeps those that still fit. Returns entries looked at."""
    rest, room, waste = state.rest, state.room, table.waste
    state.chosen[d] = p
    state.left[table.types[p]] -= 1
    for b in range(room.shape[1]):
        room[d + 1, b] = room[d, b] - waste[p, b]
    for w in range(rest.shape[1]):
        rest[d + 1, w] = rest[d, w] - table.words[p, w]
    z = state.end[d]
    state.begin[d + 1] = z
    for x in range(state.begin[d], state.end[d]):
        q = state.lists[x]
        if waste[q, 0] > room[d + 1, 0]:
            break
        fits = state.left[table.types[q]] > 0
        for b in range(1, room.shape[1]):
            fits = fits and waste[q, b] <= room[d + 1, b]
        for w in range(rest.shape[1]):
            guard = table.guards[w]
            fits = fits and ((rest[d + 1, w] | guard) - table.words[q, w]) & guard == guard
        if fits:
            state.lists[z] = q
            z += 1
    state.end[d + 1] = z
    return int(state.end[d] - state.begin[d])


@compiled
def _slot(state: State, d: int) -> int:
    """The memory slot of a state of items and bins left (FNV-1a, 64 bits, mixed)."""
    prime, h = np.uint64(1099511628211), np.uint64(14695981039346656037)
    for w in range(state.rest.shape[1]):
        h = (h ^ state.rest[d, w]) * prime
        h = h ^ (h >> np.uint64(29))
    for k in range(state.left.size):
        h = (h ^ np.uint64(state.left[k])) * prime
    h = h ^ (h >> np.uint64(32))
    return int(h % np.uint64(state.in_use.size))


@compiled
def _failed_before(state: State, d: int) -> bool:
    """Whether this exact state is remembered: compared in full, not by hash."""
    slot, width = state.slot[d], state.rest.shape[1]
    if state.in_use[slot] == 0:
        return False
    for w in range(width):
        if state.failed[slot, w] != state.rest[d, w]:
            return False
    for k in range(state.left.size):
        if state.failed[slot, width + k] != np.uint64(state.left[k]):
            return False
    return True


@compiled
def _remember(state: State, d: int) -> None:
    """Record that no packing exists from this state, overwriting an older one in its slot."""
    slot, width = state.slot[d], state.rest.shape[1]
    state.in_use[slot] = 1
    for w in range(width):
        state.failed[slot, w] = state.rest[d, w]
    for k in range(state.left.size):
        state.failed[slot, width + k] = np.uint64(state.left[k])
