"""What one member of an exchange finds, the others get once."""

from __future__ import annotations

import numpy as np

from kvpr_opt.patterns.lp.exchange import PatternExchange
from kvpr_opt.patterns.lp.item_lists import ItemLists


def patterns(*rows: list[int]) -> ItemLists:
    return ItemLists.of(np.array(rows), np.zeros(len(rows)))


def test_members_get_what_others_found_once() -> None:
    exchange = PatternExchange()
    first, second = exchange.join(), exchange.join()
    assert first.received().number == 0
    first.offer(patterns([1, 0, 0], [0, 2, 0]))
    second.offer(patterns([0, 0, 1]))
    first.offer(patterns([1, 1, 1]))
    assert first.received().counts(3).tolist() == [[0, 0, 1]]
    assert second.received().counts(3).tolist() == [[1, 0, 0], [0, 2, 0], [1, 1, 1]]
    assert first.received().number == second.received().number == 0
    late = exchange.join()
    assert late.received().number == 4


def test_a_single_member_keeps_nothing() -> None:
    exchange = PatternExchange()
    exchange.join().offer(patterns([1, 0]))
    assert exchange.join().received().number == 0
