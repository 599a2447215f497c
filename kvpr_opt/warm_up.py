"""Compile the kernels ahead of time, or in a background process while a run goes on.

    python -m kvpr_opt.warm_up

compiles all kernels, and exits early if its standard input is closed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import subprocess
import sys
import threading
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from kvpr_opt import kernels, local_search
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.beam_search import beam_search
from kvpr_opt.patterns.cover.bitpacking import BitPacking
from kvpr_opt.patterns.cover.enumeration import WasteBudget, enumerate_patterns
from kvpr_opt.patterns.engine import PatternEngine
from kvpr_opt.patterns.lp.central_generation import CentralGeneration
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.dual import Bundles
from kvpr_opt.patterns.lp.knapsack_by_value import best_of_all
from kvpr_opt.patterns.lp.knapsack_of_groups import best_by_value, most_of_stages
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.lp.pricing_with_rules import best_sets, most_with_rules
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.pattern_sample import PatternSample
from kvpr_opt.patterns.proofs.point_repair import repaired
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.tracker import Tracker

#: Niceness of the background process.
_NICENESS = 5

#: Like ``python -m kvpr_opt.warm_up``, but never another copy in the current folder.
_AS_A_CHILD = (
    "import sys; sys.path = [entry for entry in sys.path if entry]; "
    "from kvpr_opt.warm_up import main; main()"
)


def warm_up() -> None:
    """Call every kernel once, so that its machine code is loaded, or compiled and cached.

    Compiling takes half a minute or more, once per machine; loading takes a fraction of a second.
    """
    if kernels.DISABLED:
        return
    for memories, models, grid in (((20, 20, 20), 12, 1), ((14, 18), 6, 10**6)):
        draw = random.Random(models)
        fleet = Instance(
            [GPU(f"g{index}", memory) for index, memory in enumerate(memories)],
            [
                LLM(f"m{index}", draw.randint(2, 6), pressure=f"{draw.randint(1, 9 * grid)}/{grid}")
                for index in range(models)
            ],
        )
        tracker = Tracker(fleet, Limits())
        tracker.raise_bound(volume_bound(fleet.scaled), "volume bound")
        PatternEngine(tracker).run()
    threshold = fleet.scaled.at_most(Fraction(volume_bound(fleet.scaled).value))
    _of_large_fleets(fleet, PackingQuestion.of(fleet.scaled, threshold))
    _with_rules()
    kernels.set_ready("patterns")
    local_search.warm_up()
    kernels.set_ready("local search")


def _with_rules() -> None:
    """Call the kernels that only fleets with constraints need."""
    fleet = Instance(
        [GPU("a", 9), GPU("b", 9)],
        [*(LLM(f"m{n}", 2, pressure=1 + n, apart="x") for n in range(2)), LLM("n", 1, pressure=1)],
    )
    question = PackingQuestion.of(fleet.scaled, fleet.scaled.finite())
    values, wanted = question.sizes, np.zeros_like(question.capacities)
    for by_load in (False, True):
        best_sets(question, values, wanted, Limits(), by_load=by_load)
    most_with_rules(question, values)
    one = np.ones(1, dtype=np.int64)
    stage, member = np.array([0, 1], dtype=np.int64), np.zeros((1, 1), dtype=np.int64)
    most_of_stages(one, one, stage, 1, 1)
    best_by_value(one, one, 0 * one, one, stage, one, 0 * one, one, member, one, 0 * one, 1, 1)


def _of_large_fleets(fleet: Instance, question: PackingQuestion) -> None:
    """Call the kernels for fleets too large for whole tables and for pairs of halves."""
    sizes = WasteBudget.of(question, question.sizes, question.capacities)
    enumerate_patterns(question, BitPacking.of(question.counts), [sizes], 1, Limits())
    lp = PatternLP(fleet.scaled)
    lp.pool.add(sample_patterns(question, each=1, seed=0, limits=Limits()))
    # The interior point method is called only if nothing is refuted at once.
    passed = PackingQuestion.of(fleet.scaled, fleet.scaled.finite())
    for asked in (question, passed):
        CentralGeneration(asked, lp.pool, None, Limits(), Precision.FULL).run()
    sample = PatternSample(len(question.capacities))
    sample.add(lp.pool.patterns)
    repaired(question, sample, np.ones((len(question.counts), 1), dtype=np.int64))
    beam_search(question, Limits(), work=1, seed=0)
    items = Bundles.of(question, question.counts > 0)
    worth = np.ones_like(items.sizes)
    most = np.zeros_like(question.capacities)
    best_of_all(
        items.sizes, worth, items.owner, items.copies,
        question.counts, question.capacities, most, worth.size, 1,
    )  # fmt: skip


class BackgroundCompiler:
    """A process that compiles the kernels and caches each one as soon as it is done.

    It ends when this process ends, for whatever reason. Its finished work is kept, so the
    next one continues from there.
    """

    def __init__(self) -> None:
        folder = kernels.folder()
        environment = {**os.environ, "PYTHONPATH": _import_path()}
        if folder is not None and kernels.folder_kept_in() is None:
            environment["NUMBA_CACHE_DIR"] = str(folder.parent)
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # no Python to start: never ready, and over
            self._process = subprocess.Popen(
                [sys.executable, "-c", _AS_A_CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches only this process
            )

    @property
    def message(self) -> str:
        """Why it ended without compiling the kernels."""
        if self._process is None:
            return f"{sys.executable or 'Python'} cannot be started"
        return f"exit code {self._process.poll()} of python -m kvpr_opt.warm_up"

    @property
    def over(self) -> bool:
        """Whether it has ended, with or without the kernels."""
        return self._process is None or self._process.poll() is not None

    def end(self) -> None:
        """Stop it, however far it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()


@cache
def background_compiler() -> BackgroundCompiler:
    """The background compiler of this process, started at the first call; it ends with us."""
    compiler = BackgroundCompiler()
    atexit.register(compiler.end)
    return compiler


def _import_path() -> str:
    """The import path with which a child finds this package and all its dependencies."""
    here = str(Path(__file__).parent.parent)
    return os.pathsep.join([here, *(os.path.abspath(entry) for entry in sys.path if entry)])


def main() -> None:
    """Compile the kernels, and exit as soon as the parent process does."""

    def end_with_parent() -> None:
        # Nothing is ever written there. Do not use sys.stdin: Python aborts at exit if a
        # thread is waiting on it.
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    warm_up()


if __name__ == "__main__":
    main()
