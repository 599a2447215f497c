"""Fleets for the tests of the audit."""

from __future__ import annotations

from kvpr_opt.generate import prism_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: An easy case, with few models, and a harder one.
EASY = Instance(
    [GPU("gpu0", 80), GPU("gpu1", 80)],
    [LLM(f"model_{n}", size=14 + n, req_rate=1 + n, slo=5) for n in range(6)],
)
HARD = prism_instance(0)
