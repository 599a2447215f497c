"""A stop signal ends the command with the exit code that the command chose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: An extension that runs Python code while it is loaded, interrupted there.
PROGRAM = """
import ctypes, signal, sys
from kvpr_opt import _interrupt

signal.signal(signal.SIGINT, _interrupt.note_and_raise)
run = ctypes.pythonapi.PyRun_String
run.restype = ctypes.py_object
run.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.py_object, ctypes.py_object]
code = b"import os, signal\\nos.kill(os.getpid(), signal.SIGINT)\\nfor _ in range(10**6): pass"
try:
    run(code, 257, {"__builtins__": __builtins__}, {})
except KeyboardInterrupt:
    sys.exit(3)
sys.exit(4)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
def test_an_interrupt_inside_an_extension_does_not_change_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], cwd=tmp_path, env=environment, timeout=60
    )
    assert done.returncode == 3
