"""Certified placement of language models on shared GPUs.

The highest KV-cache pressure ratio of a fleet, as low as it can be, and a proof.

>>> import kvpr_opt as kv
>>> fleet = kv.Instance(
...     gpus=[kv.GPU("a", memory=80), kv.GPU("b", memory=80)],
...     models=[kv.LLM("m", size=16, req_rate=9, slo=5), kv.LLM("n", size=24, pressure=1)],
... )
>>> kv.heuristic(fleet).max_kvpr
Fraction(9, 320)
"""

from typing import TYPE_CHECKING

from kvpr_opt._interrupt import (
    exit_interrupted,
    hold_stop_signals,
    is_command,
    treat_stop_signals_alike,
)
from kvpr_opt._version import __version__ as __version__

try:
    if is_command():
        treat_stop_signals_alike()
    from kvpr_opt.certificates.certificate import Certificate, verify
    from kvpr_opt.errors import KvprError
    from kvpr_opt.files import read_instance, read_result, write_instance, write_result
    from kvpr_opt.generate import random_instance
    from kvpr_opt.problem.instance import GPU, LLM, Instance
    from kvpr_opt.problem.placement import Placement
    from kvpr_opt.result import Grade, Result, Status, StopReason
    from kvpr_opt.search.tracker import Progress
    from kvpr_opt.solve import heuristic, lower_bound, solve

    if is_command():
        hold_stop_signals()
except KeyboardInterrupt:
    if not is_command():
        raise
    exit_interrupted()

if TYPE_CHECKING:
    from kvpr_opt.operate.evaluate import Evaluation, evaluate
    from kvpr_opt.operate.headroom import Headroom, headroom
    from kvpr_opt.operate.plan import Plan
    from kvpr_opt.operate.replan import Replan, replan
    from kvpr_opt.operate.size import Sizing, size
    from kvpr_opt.operate.why import Explanation, why
else:

    def __getattr__(name: str) -> object:
        """What few programs use is imported as it is first asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from kvpr_opt import operate

        return getattr(operate, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "GPU",
    "LLM",
    "Certificate",
    "Evaluation",
    "Explanation",
    "Grade",
    "Headroom",
    "Instance",
    "KvprError",
    "Placement",
    "Plan",
    "Progress",
    "Replan",
    "Result",
    "Sizing",
    "Status",
    "StopReason",
    "evaluate",
    "headroom",
    "heuristic",
    "lower_bound",
    "random_instance",
    "read_instance",
    "read_result",
    "replan",
    "size",
    "solve",
    "verify",
    "why",
    "write_instance",
    "write_result",
]
