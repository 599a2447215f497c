"""``kvpr-opt warmup``: compile the kernels ahead of time."""

from __future__ import annotations

import time

from kvpr_opt.cli.console import answer_console
from kvpr_opt.errors import InputError


def command() -> None:
    """Compile the kernels now, so that the first solve does not have to."""
    # Imported here: loading the compiler takes longer than most commands.
    from kvpr_opt import kernels
    from kvpr_opt.warm_up import warm_up

    if kernels.DISABLED:
        raise InputError("there is nothing to compile: NUMBA_DISABLE_JIT is set")
    if kernels.folder_kept_in() is None:
        raise InputError(f"nothing can be compiled ahead: kernels are compiled {kernels.NOT_KEPT}")
    start = time.monotonic()
    warm_up()
    answer_console().print(f"kernels ready, {time.monotonic() - start:.1f} s")
