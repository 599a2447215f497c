"""Runs a program on every case of a suite, several cases at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import takewhile

from kvpr_opt.audit.cases import Case
from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.process import ProcessRunner
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import ResourceLimits
from kvpr_opt.audit.verdict import RunVerdict, judge

#: Runs of each case, each in a fresh process: a difference means unseeded randomness.
RUNS = 2

#: Called whenever runs are done: their number, that of all runs, and a function that puts
#: put together the results so far (``None`` until the first case has run).
OnProgress = Callable[[int, int, Callable[[], "Audit | None"]], object]


def audit(
    program: Program,
    suite: str,
    cases: Sequence[Case],
    limits: ResourceLimits,
    *,
    jobs: int,
    runs: int = RUNS,
    on_progress: OnProgress | None = None,
) -> Audit:
    """Run a program on every case and judge its answers.

    Parameters
    ----------
    program
        The program.
    suite
        Name for the set of cases.
    cases
        At least one fleet.
    limits
        What each run may use.
    jobs
        Number of parallel runs.
    runs
        Runs of each case.
    on_progress
        Called whenever runs are done; see :data:`OnProgress`.

    Returns
    -------
    Audit
        A complete audit. Whatever the program does becomes the verdict of the case.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; all started processes have been ended. `on_progress` has received
        all results up to then.
    """
    verdicts: list[dict[int, RunVerdict]] = [{} for _ in cases]

    def so_far() -> Audit | None:
        audits = []
        for case, found in zip(cases, verdicts, strict=True):
            # In order and without gaps: the first run is the one scored.
            ready = tuple(found[n] for n in takewhile(found.__contains__, range(runs)))
            if ready:
                audits.append(CaseAudit(case, ready))
        return Audit(program, suite, limits, tuple(audits), runs, len(cases)) if audits else None

    with ProcessRunner(limits, program.python or None) as runner, ThreadPoolExecutor(jobs) as pool:
        try:
            # All first runs, then all second ones, so that they are also apart in time.
            places = {
                pool.submit(_run, program, runner, case): (index, number)
                for number in range(runs)
                for index, case in enumerate(cases)
            }
            left = set(places)
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for future in done:
                    index, number = places[future]
                    verdicts[index][number] = future.result()
                if on_progress is not None:
                    on_progress(len(places) - len(left), len(places), so_far)
        except BaseException:
            # An internal error or Ctrl-C: end everything that was started.
            pool.shutdown(wait=False, cancel_futures=True)
            runner.close()
            raise
    found = so_far()
    assert found is not None, "there is at least one case"
    return found


def _run(program: Program, runner: ProcessRunner, case: Case) -> RunVerdict:
    return judge(case.instance, program.run(runner, case.instance))
