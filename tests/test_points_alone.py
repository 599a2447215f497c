"""Points alone: one row of numbers says exactly whether a set has too many, within limits."""

from __future__ import annotations

import importlib
import itertools
import random
import time
import tracemalloc

import numpy as np
import pytest

from kvpr_opt.verify import refute

# The package has a function of this name.
CHECKER = importlib.import_module("kvpr_opt.verify")

Item = tuple[int, int]
Bins = tuple[int, int, int]


def most_points(items: list[Item], capacity: int) -> int:
    """The most points of a set that fits, by trying all of them."""
    return max(
        sum(points for _, points in held)
        for number in range(len(items) + 1)
        for held in itertools.combinations(items, number)
        if sum(size for size, _ in held) <= capacity
    )


def verdict(items: list[Item], bins: list[Bins], steps: int = 3_000_000) -> str:
    """What the checker says to points alone: an end of the message, or too much work."""
    try:
        return refute(items, bins, 0, steps).rpartition(" by ")[0]
    except TimeoutError:
        return "too much work"
    except ValueError as refusal:
        return str(refusal).rpartition(", by ")[0] or str(refusal)


def random_question(draw: random.Random) -> tuple[list[Item], list[Bins]]:
    """Items, of size 0 among them, and up to three types of bins whose limits are nearly true."""
    # Twice some of these capacities just fits into so many bytes, or just not.
    capacity = draw.choice([3, 10, 62, 63, 64, 127, 128, 16_383, 16_384, 2**31 - 1, 10**20])
    points = draw.choice([1, 3, 20])
    items = [
        (draw.randint(0, capacity) * draw.choice([0, 1, 1, 1, 1]), draw.randint(0, points))
        for _ in range(draw.randint(0, 6))
    ]
    items += [draw.choice(items) for _ in range(draw.randint(0, 2)) if items]
    sized = [item for item in items if item[0]]
    capacities = [capacity, capacity // 2, draw.randint(0, capacity)][: draw.randint(1, 3)]
    bins = [
        (draw.randint(1, 2), room, max(0, most_points(sized, room) + draw.choice([-1, 0, 0, 0, 1])))
        for room in capacities
    ]
    return items, bins


def test_accepted_if_and_only_if_no_set_has_more_points_than_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw, seen = random.Random(1), dict.fromkeys(["accepted", "too few", "too many"], 0)
    for _ in range(4_000):
        items, bins = random_question(draw)
        sized = [item for item in items if item[0]]
        exceed = sum(each for _, each in sized) > sum(n * limit for n, _, limit in bins)
        true = all(most_points(sized, room) <= limit for _, room, limit in bins)
        expected = "accepted" if exceed and true else "too many" if exceed else "too few"
        seen[expected] += 1
        message = {
            "accepted": "the points of the models exceed what the GPUs can hold",
            "too few": "the models have no more points than GPUs may hold",
            "too many": "models of more points than a GPU may hold fit it",
        }[expected]
        # By one row, and by a search with rows and with coarse ones.
        for row, table in ((40_000_000, 60_000_000), (0, 60_000_000), (0, 1)):
            monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_bytes=row))
            monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(table_bytes=table))
            assert verdict(items, bins) == message
    assert min(seen.values()) > 250, seen


def most_points_by_size(items: list[Item], capacity: int) -> int:
    """The same by a table over all sizes, not over points as in the checker."""
    best = np.zeros(capacity + 1, dtype=np.int64)
    for size, points in items:
        best[size:] = np.maximum(best[size:], best[: capacity + 1 - size] + points)
    return int(best[-1])


@pytest.mark.parametrize(
    ("models", "gpus", "points"),
    [
        (64, 8, 500_000),
        pytest.param(64, 8, 10_000_000, marks=pytest.mark.slow),
        pytest.param(256, 64, 1_000_000, marks=pytest.mark.slow),
    ],
)
def test_a_million_points_a_gpu_are_checked_in_seconds(models: int, gpus: int, points: int) -> None:
    draw, room = random.Random(models), 1_500_000
    sizes = [draw.randint(1, 2 * room * gpus // models) for _ in range(models)]
    items = [(size, size * points // room + draw.randint(0, 9)) for size in sizes]
    limit = most_points_by_size(items, room)
    number = (sum(each for _, each in items) - 1) // limit
    start = time.process_time()
    assert verdict(items, [(number, room, limit)]).startswith("the points of the models exceed")
    assert verdict(items, [(number, room, limit - 1)]).startswith("models of more points")
    assert time.process_time() - start < 40


def test_rows_before_the_last_one_are_not_kept() -> None:
    items, bins = [(size, size) for size in range(6_000, 6_100)], [(1, 60_000, 60_000), (1, 0, 0)]
    tracemalloc.start()
    assert verdict(items, bins).startswith("the points of the models exceed")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * CHECKER.row_bytes(60_000, 60_000)


def test_a_row_has_whole_bytes_for_each_bit_of_its_numbers() -> None:
    # For 0 to 7 points, and for 0 to 8; sizes of up to 15, and of up to 16.
    assert [CHECKER._bytes_by_points(most, 14) for most in (6, 7)] == [1001 * 4, 1002 * 4]
    assert [CHECKER._bytes_by_points(6, room) for room in (14, 15)] == [1001 * 4, 1001 * 5]
    # For sizes 0 to 7, and 0 to 8; points of up to 15, up to 16, and none.
    assert [CHECKER._bytes_by_size(15, room) for room in (7, 8)] == [1001 * 4, 1002 * 4]
    assert [CHECKER._bytes_by_size(most, 7) for most in (16, 0)] == [1001 * 5, 1001]
    # For 0 to 7 points, one byte each, and two.
    assert [CHECKER._bytes_in_one(6, room) for room in (63, 64)] == [4 * 508, 4 * 516]
    # The shortest of them.
    assert CHECKER.row_bytes(6, 14) == CHECKER._bytes_in_one(6, 14) == 2032
    assert CHECKER.row_bytes(8_000, 7) == CHECKER._bytes_by_points(8_000, 7) == 8004
    assert CHECKER.row_bytes(10**6, 7) == CHECKER._bytes_by_size(10**6, 7) == 20020


def refusal(stages: list[list[Item]], bins: list[Bins]) -> str:
    """What the checker says against limits; nothing if they are right."""
    try:
        CHECKER._no_choice_exceeds_its_limit(stages, bins)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seed", range(20))
def test_all_rows_and_all_sets_say_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets with one item of each stage at most."""
    draw, verdicts = random.Random(seed), set()
    for _ in range(100):
        room = draw.choice([0, 1, 3, 10, 31])
        most = draw.choice([0, 1, 3, 7, 8, 20])
        stages = [
            [(draw.randint(0, room + 2), draw.randint(0, most + 1)) for _ in range(length)]
            for length in draw.choices(range(4), k=draw.randint(0, 4))
        ]
        sets = [
            [sum(numbers) for numbers in zip(*held, strict=True)] or [0, 0]
            for held in itertools.product(*([(0, 0), *stage] for stage in stages))
        ]
        bins = [(1, room, most), (1, draw.randint(0, room), draw.randint(0, most))]
        truth = all(
            points <= limit or size > capacity
            for size, points in sets
            for _, capacity, limit in bins
        )
        for shortest in range(3):
            for way, name in enumerate(("_bytes_in_one", "_bytes_by_points", "_bytes_by_size")):
                monkeypatch.setattr(CHECKER, name, lambda *_, n=int(way != shortest): n)
            assert refusal(stages, bins) == ("" if truth else CHECKER.EXCEEDED)
        verdicts.add(truth)
    assert verdicts == {True, False}


def test_copies_are_taken_in_bundles() -> None:
    for copies in range(20):
        bundled = CHECKER.bundles({(3, 5): copies})
        assert all(size * 5 == points * 3 for size, points in bundled)
        assert len(bundled) == copies.bit_length()
        held = {
            sum(size for size, _ in some)
            for number in range(len(bundled) + 1)
            for some in itertools.combinations(bundled, number)
        }
        assert held == {3 * number for number in range(copies + 1)}


def test_the_row_may_be_just_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer one leaves the search, here without the steps that it takes."""
    items, bins = [(3, 5)] * 4, [(1, 8, 10), (1, 2, 3)]
    bytes_of_row = CHECKER.row_bytes(10, 8)
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(table_bytes=1))
    for row, work, expected in [
        (bytes_of_row, 2 * bytes_of_row, "the points of the models exceed what the GPUs can hold"),
        (bytes_of_row - 1, 2 * bytes_of_row, "too much work"),
        (bytes_of_row, 2 * bytes_of_row - 1, "too much work"),
    ]:
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_bytes=row))
        # A caller who allows one step of all allows as small a part of the work.
        monkeypatch.setattr(
            CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_work=work * CHECKER.LIMITS.steps)
        )
        assert verdict(items, bins, steps=1) == expected


@pytest.mark.parametrize(
    ("number", "size", "points"),
    [
        (9, 100_000, 4_333_333),  # about the longest row
        (9, 100_000, 999_999_999),  # far too long a row
        (200, 10**50, 500_000),  # long sizes, too much work
    ],
)
def test_what_is_too_long_for_a_row_takes_no_more_time(number: int, size: int, points: int) -> None:
    items = [(size + step, points) for step in range(number)]
    start = time.process_time()
    refused = "models of more points than a GPU may hold fit it"
    assert verdict(items, [(3, 3 * size + 4, min(3 * points - 1, 999_999_999))]) == refused
    assert time.process_time() - start < 8
