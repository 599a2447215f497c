"""A fitness that cannot be gained by cheating, for frameworks that evolve programs.

Frameworks in which a language model rewrites a program score it with a user-supplied
evaluator. Published evaluators for model placement load the program into their own
process and trust what it returns. This one runs it like ``kvpr-opt audit``: in a
separate process with limits, judged in exact numbers against certified optima.

The score of a valid program is the mean over the fleets of a suite of

    certified lower bound / maximum KVPR  =  1 - gap,

which is above 0, and 1 for a program that is optimal on every fleet. No score can be
above 1. A program that is not valid on every fleet (a model left out, a time-out, an
exception, ...) scores 0, with feedback that says why. So does one that imports this
package, since the package's solver would do the work.

:mod:`~kvpr_opt.audit.evaluator.openevolve`, :mod:`~kvpr_opt.audit.evaluator.shinka` and
:mod:`~kvpr_opt.audit.evaluator.gepa` have the functions that these frameworks call;
``docs/evolution.md`` shows an example of each.

>>> from kvpr_opt.audit.evaluator import Evaluator
>>> evaluator = Evaluator("prism50", time_limit=5)
>>> print(evaluator.evaluate_source("def place(instance, ...").feedback)
The program cannot be run: not Python: invalid syntax
"""

from kvpr_opt.audit.evaluator.evaluation import CaseScore, ProgramEvaluation
from kvpr_opt.audit.evaluator.evaluator import Evaluator
from kvpr_opt.audit.evaluator.openevolve import evaluate

__all__ = ["CaseScore", "Evaluator", "ProgramEvaluation", "evaluate"]
