"""Running fleets: score, move and size them, and explain what binds."""

from kvpr_opt.operate.evaluate import Evaluation, evaluate
from kvpr_opt.operate.headroom import Headroom, headroom
from kvpr_opt.operate.plan import Plan
from kvpr_opt.operate.replan import Replan, replan
from kvpr_opt.operate.size import Sizing, size
from kvpr_opt.operate.why import Explanation, why

__all__ = [
    "Evaluation",
    "Explanation",
    "Headroom",
    "Plan",
    "Replan",
    "Sizing",
    "evaluate",
    "headroom",
    "replan",
    "size",
    "why",
]
