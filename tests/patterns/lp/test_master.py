"""The master stops where its limits do, and goes on where others allow it."""

from __future__ import annotations

import math

from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.master import Master
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.search.bounds import volume_bound


def test_a_stop_signal_ends_a_solve_and_is_not_remembered() -> None:
    scaled = random_instance("precise", gpus=20, models=80, seed=0).scaled
    assert len(scaled.classes) >= 60
    value = volume_bound(scaled).value * 2
    question = PackingQuestion.of(scaled, scaled.at_most(value))
    lp = PatternLP(scaled)
    lp._add_single_items(question, Limits())
    lp.pool.add(sample_patterns(question, each=5, seed=0, limits=Limits()))
    master = Master(lp.pool, len(scaled.classes), len(scaled.types))
    master.pose(question)
    stopped = Limits()
    stopped.interrupt()
    assert master.solve(stopped).factor == math.inf
    assert master.solve(Limits()).factor < 1
