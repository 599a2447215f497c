"""Runs a program on every case of a suite, several cases at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from kvpr_opt.audit.cases import Case
from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.process import ProcessRunner, ResourceLimits
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.verdict import RunVerdict, judge

#: Runs of each case, each in a fresh process: a difference is randomness without a seed.
RUNS = 2


def audit(
    program: Program,
    suite: str,
    cases: Sequence[Case],
    limits: ResourceLimits,
    *,
    jobs: int,
    on_progress: Callable[[int, int], object] | None = None,
) -> Audit:
    """Run a program on every case, twice, and judge what it answers.

    Parameters
    ----------
    program
        The program.
    suite
        What to call the cases.
    cases
        At least one fleet.
    limits
        What each run may use.
    jobs
        Runs at the same time.
    on_progress
        Called with the number of runs done and of all runs, whenever one is done.

    Raises
    ------
    InputError
        If the program cannot be told of a case, or is a Python file without the function.
    """
    runner = ProcessRunner(limits)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            # All first runs, then all second ones: apart in time, too.
            runs = [pool.submit(_run, program, runner, case) for _ in range(RUNS) for case in cases]
            _follow(runs, on_progress)
        except BaseException:
            # An error of ours or Ctrl-C: nothing that was started goes on.
            pool.shutdown(wait=False, cancel_futures=True)
            runner.close()
            raise
    verdicts = [run.result() for run in runs]
    count = len(cases)
    audits = (CaseAudit(case, tuple(verdicts[n::count])) for n, case in enumerate(cases))
    return Audit(program, suite, limits, tuple(audits))


def _run(program: Program, runner: ProcessRunner, case: Case) -> RunVerdict:
    return judge(case.instance, program.run(runner, case.instance))


def _follow(
    runs: Sequence[Future[RunVerdict]], on_progress: Callable[[int, int], object] | None
) -> None:
    """Until all runs are done; an error in one of them is raised at once."""
    left = set(runs)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        for run in done:
            run.result()
        if on_progress is not None:
            on_progress(len(runs) - len(left), len(runs))
