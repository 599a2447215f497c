"""``solve --html``: the page is written beside the other files, or refused before the work."""

from __future__ import annotations

from pathlib import Path

from command_runs import Run


def test_solve_writes_the_page_beside_its_other_files(
    run: Run, small: Path, tmp_path: Path
) -> None:
    page, output = tmp_path / "report.html", tmp_path / "result.json"
    code, _, _ = run("solve", small, "--html", page, "--output", output, "--threads", "1")
    assert code == 0
    assert output.exists()
    text = page.read_text()
    assert text.startswith("<!doctype html>\n<html")
    assert "Placement of 3 models on 2 GPUs" in text
    page.unlink()
    code, out, _ = run("solve", small, "--html", "-", "--threads", "1")
    assert (code, out) == (0, out)
    assert out.startswith("<!doctype html>")


def test_where_the_page_cannot_go(run: Run, small: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    code, _, err = run("solve", small, "--html", output, "--output", output)
    assert code == 2
    assert f"--html: {output} is what --output writes to" in err
    code, _, err = run("solve", small, "--html", tmp_path / "no" / "where.html")
    assert code == 2
    assert "where.html: cannot be written" in err
