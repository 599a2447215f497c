"""Patterns that the LPs of a fleet, each in a thread of its own, find for each other."""

from __future__ import annotations

from functools import reduce

from kvpr_opt.patterns.lp.item_lists import ItemLists


class PatternExchange:
    """What pricing found in any of several LPs of one fleet.

    Thresholds asked at the same time lie close together: what is worth more than its bin
    in one LP mostly fits, and is worth it, in the others.
    """

    def __init__(self) -> None:
        self._members = 0
        # In the order of discovery; threads append and read without a lock.
        self._found: list[tuple[ExchangeMember, ItemLists]] = []

    def join(self) -> ExchangeMember:
        """A new member; what was found before is news to it."""
        self._members += 1
        return ExchangeMember(self)

    def _keep(self, member: ExchangeMember, patterns: ItemLists) -> None:
        if self._members > 1:
            self._found.append((member, patterns))


class ExchangeMember:
    """The part of one LP in an exchange; made by :meth:`PatternExchange.join`."""

    def __init__(self, exchange: PatternExchange) -> None:
        self._exchange, self._read = exchange, 0

    def offer(self, patterns: ItemLists) -> None:
        """Let the others have some patterns."""
        self._exchange._keep(self, patterns)

    def received(self) -> ItemLists:
        """What the others have found since this was called last."""
        news = self._exchange._found[self._read :]
        self._read += len(news)
        others = [patterns for member, patterns in news if member is not self]
        return reduce(ItemLists.with_more, others, ItemLists.none())
