"""How much work the tools of the engine may do in one round."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kvpr_opt.patterns.dive import DivePlan


@dataclass(frozen=True)
class Effort:
    """The budgets of one round; each round may do about four times the work of the last."""

    patterns: int
    work: int
    tries: int
    beam: int
    dive: DivePlan

    @classmethod
    def of_round(cls, number: int) -> Effort:
        """Budgets of round 0, 1, ..."""
        grown = 4 ** min(number, 10)
        return cls(
            patterns=min(300_000 * 2 ** min(number, 3), 2_000_000),
            work=50_000_000 * grown,
            tries=10 * grown,
            beam=min(10_000 * grown, 10_000_000),
            dive=DivePlan(
                discrepancies=number,
                jitter=0.0 if number == 0 else 0.4,
                last_items=min(32 + 6 * number, 64),
                last_work=10_000_000 * grown,
                leaf=DivePlan(
                    discrepancies=1 + number,
                    last_items=min(32 + 6 * number, 64),
                    last_work=10_000_000 * grown,
                ),
            ),
        )

    def hasty(self) -> Effort:
        """A smaller budget for dives, for when a failed one can be replaced by another."""
        plan = self.dive
        work = plan.last_work // 10
        leaf = None if plan.leaf is None else replace(plan.leaf, discrepancies=0, last_work=work)
        return replace(self, dive=replace(plan, discrepancies=0, last_work=work, leaf=leaf))

    def reduced(self) -> Effort:
        """A smaller budget, for searches that succeed quickly or never."""
        return replace(self, patterns=self.patterns // 6, work=self.work // 5)
