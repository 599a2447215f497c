"""The live line while a run works: bound, incumbent, gap, and what is being tried."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from kvpr_opt.cli.screen import gap_text, kvpr_text
from kvpr_opt.progress import Progress


class LiveStatus:
    """Shows the latest event of a run; nothing where there is no terminal.

    Parameters
    ----------
    console
        The screen.
    time_limit
        Seconds, for the time left; ``None`` without limit.
    """

    def __init__(self, console: Console, time_limit: float | None) -> None:
        self._time_limit = time_limit
        self._start = time.monotonic()
        self._latest: Progress | None = None
        self._spinner = Spinner("dots")
        shown = console.is_terminal and not console.quiet
        self._live = (
            Live(get_renderable=self._render, console=console, transient=True, refresh_per_second=8)
            if shown
            else None
        )

    def update(self, event: Progress) -> None:
        """Take the next event."""
        self._latest = event

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

    def __enter__(self) -> LiveStatus:
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
