"""What the live lines of a study say."""

from __future__ import annotations

import pytest
from rich.console import Console

from kvpr_opt.cli.progress_view import LiveStudy
from kvpr_opt.study.execution.runner import StudyProgress


def shown(progress: StudyProgress) -> str:
    console = Console(width=100, force_terminal=False)
    live = LiveStudy(console, progress)
    with console.capture() as capture:
        console.print(live._render())
    return capture.get()


def test_a_study_shows_done_failed_running_and_the_time_left() -> None:
    text = shown(StudyProgress(100, 10, 20, 5, ("uniform 2 x 4, seed 3, auto",), seconds=50.0))
    assert "20 done, 1 running" not in text
    assert "20 done, 5 failed, 1 running, 65 left (10 known before)" in text
    assert "about 130 s to go" not in text
    assert "about 2 min to go" in text
    assert "  uniform 2 x 4, seed 3, auto" in text


@pytest.mark.parametrize(
    ("seconds", "told"), [(10, "about 10 s"), (600, "about 10 min"), (7200, "about 2.0 h")]
)
def test_the_time_left_is_told_in_its_unit(seconds: float, told: str) -> None:
    assert f"{told} to go" in shown(StudyProgress(2, done=1, seconds=seconds))


def test_no_time_is_guessed_before_a_run_has_ended() -> None:
    assert "to go" not in shown(StudyProgress(2, seconds=5.0))


def test_a_cluster_does_not_fill_the_screen() -> None:
    text = shown(StudyProgress(100, running=tuple(f"run {n}" for n in range(40))))
    assert "run 11" in text
    assert "run 12" not in text
    assert "and 28 more" in text
