"""Live progress lines for runs and studies; nothing is shown without a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from kvpr_opt.drawing.rows import gap_text, kvpr_text
from kvpr_opt.search.tracker import Progress
from kvpr_opt.stages.kernel_wait import COMPILING
from kvpr_opt.study.execution.runner import StudyProgress

if TYPE_CHECKING:
    from typing_extensions import Self


#: Maximum number of runs shown individually: a cluster may run more than a screen has lines.
_MAX_LINES = 12


class _LiveLines:
    """Lines redrawn eight times a second for the duration of the ``with`` block.

    A subclass must set up what it draws before it calls this constructor, which draws it.
    """

    def __init__(self, console: Console) -> None:
        self._spinner = Spinner("dots")
        self._start = time.monotonic()
        self._live: Live | None = None
        if console.is_terminal and not console.quiet:
            self._live = Live(
                get_renderable=self._render, console=console, transient=True, refresh_per_second=8
            )

    def _render(self) -> Group:
        return Group(self._spinner)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


class LiveStatus(_LiveLines):
    """Shows the latest event of a run; nothing without a terminal.

    Parameters
    ----------
    console
        The terminal.
    time_limit
        Seconds, to show the time left; ``None`` for no limit.
    """

    def __init__(self, console: Console, time_limit: float | None) -> None:
        self._console = console
        self._time_limit = time_limit
        self._latest: Progress | None = None
        super().__init__(console)

    def update(self, event: Progress) -> None:
        """Handle the next event; without a terminal, only compilation is reported."""
        self._latest = event
        if self._live is None and event.stage.startswith(COMPILING):
            self._console.print(event.stage, markup=False, soft_wrap=True)

    def _render(self) -> Group:
        elapsed = time.monotonic() - self._start
        clock = f"{elapsed:.0f} s" + (f" of {self._time_limit:g} s" if self._time_limit else "")
        event = self._latest
        if event is None:
            return Group(self._spinner, Text(clock))
        self._spinner.update(text=Text(f"{event.stage}, {clock}"))
        return Group(
            self._spinner,
            Text(f"  best placement  {kvpr_text(event.incumbent)}"),
            Text(f"  lower bound     {kvpr_text(event.lower_bound)}"),
            Text(f"  gap             {gap_text(event.gap)}"),
        )


class LiveStudy(_LiveLines):
    """Shows the progress of a study; nothing without a terminal.

    Parameters
    ----------
    console
        The terminal.
    start
        The progress at the start.
    """

    def __init__(self, console: Console, start: StudyProgress) -> None:
        self._latest = start
        super().__init__(console)

    def update(self, progress: StudyProgress) -> None:
        """Handle the next event."""
        self._latest = progress

    def _render(self) -> Group:
        now = self._latest
        self._spinner.update(
            text=Text(
                f"{now.done} done, {now.failed} failed, {len(now.running)} running, "
                f"{now.left} left{f' ({now.known} known before)' if now.known else ''}, "
                f"{time.monotonic() - self._start:.0f} s{_time_left(now.seconds_left)}"
            )
        )
        lines = [Text(f"  {run}") for run in now.running[:_MAX_LINES]]
        more = len(now.running) - len(lines)
        return Group(self._spinner, *lines, *([Text(f"  and {more} more")] if more else []))


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 100:
        return f", about {seconds:.0f} s to go"
    if seconds < 6000:
        return f", about {seconds / 60:.0f} min to go"
    return f", about {seconds / 3600:.1f} h to go"


class LiveCount(_LiveLines):
    """Shows how many of a number of things are done; nothing without a terminal.

    Parameters
    ----------
    console
        The terminal.
    things
        What is counted, in the plural.
    """

    def __init__(self, console: Console, things: str) -> None:
        self._things = things
        self._done = self._total = 0
        super().__init__(console)

    def update(self, done: int, total: int) -> None:
        """Handle the next count."""
        self._done, self._total = done, total

    def _render(self) -> Group:
        count = f"{self._done} of {self._total} {self._things}" if self._total else self._things
        elapsed = time.monotonic() - self._start
        self._spinner.update(text=Text(f"{count}, {elapsed:.0f} s"))
        return Group(self._spinner)
