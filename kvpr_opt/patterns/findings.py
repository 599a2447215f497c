"""What the engine learns about thresholds, shared by its threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt.patterns.lp.exchange import PatternExchange
from kvpr_opt.patterns.proofs.shortening import Refutation


@dataclass
class Findings:
    """What steps learn about thresholds, besides incumbent and bound.

    Attributes
    ----------
    passing
        The lowest value at which the LP was found to pass.
    overflow
        Where the exhaustive search had too many patterns, and how many were allowed.
    refutation
        The highest threshold that the LP refuted.
    unproved
        The same, if its proof takes the checker long, or too long.
    too_long
        A bound whose proof could not be made short enough for the checker, until a somewhat lower
        one is tried.
    asking
        Seconds that the last question about a large fleet took.
    exchange
        Where the LPs of the threads give each other patterns.
    """

    passing: Fraction | None = None
    overflow: tuple[Fraction, int] | None = None
    refutation: Refutation | None = None
    unproved: Refutation | None = None
    too_long: Fraction | None = None
    asking: float = 0.0
    exchange: PatternExchange = field(default_factory=PatternExchange)
