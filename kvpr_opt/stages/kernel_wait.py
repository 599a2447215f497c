"""The kernels of one run: whether they are ready, and the wait while they are compiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kvpr_opt.search.tracker import Tracker

if TYPE_CHECKING:
    from kvpr_opt.kernels import Group
    from kvpr_opt.warm_up import BackgroundCompiler

#: Prefix of the one stage that is reported to the user even without a terminal.
COMPILING = "compiling kernels in the background: "

# Seconds between checks whether the kernels are compiled.
_POLL = 0.02


class KernelWait:
    """What a run asks of the kernels; it starts the compiler when they are missing.

    Parameters
    ----------
    tracker
        Is told that kernels are compiled, and has the limits of the wait.
    remark
        Is called once, with a message, if they cannot be compiled.
    """

    def __init__(self, tracker: Tracker, remark: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._remark = remark
        self._told = False
        self._failed = False

    # Lazy imports: compiled code takes longer to load than a small fleet takes to place.

    def ready(self, *groups: Group) -> bool:
        """Whether these kernels can be called without compiling anything."""
        from kvpr_opt import kernels

        return kernels.are_ready(*groups)

    def start_compiler(self) -> BackgroundCompiler:
        """Start compiling the kernels in the background, if not started yet, and report it."""
        from kvpr_opt import kernels, warm_up

        compiler = warm_up.background_compiler()
        if not (compiler.over or self._told):
            kept = kernels.folder_kept_in() is not None
            self._tracker.enter(COMPILING + ("once on this machine" if kept else kernels.NOT_KEPT))
            self._told = True
        return compiler

    def wait_for(self, *groups: Group, proving: bool = False) -> bool:
        """Wait until the kernels are ready, the run is over, or compilation has failed.

        With `proving`, a settled run is not over: the kernels are needed for its proof.
        Returns whether they are ready.
        """
        if self.ready(*groups):
            return True
        compiler, limits = self.start_compiler(), self._tracker.limits
        while not (limits.stopped or compiler.over or self.ready(*groups)):
            if self._tracker.settled and not proving:
                break
            time.sleep(min(_POLL, limits.remaining))
        if self.ready(*groups):
            return True
        if compiler.over and not self._failed:
            self._failed = True
            self._remark(f"the kernels could not be compiled: {compiler.message}")
        return False
