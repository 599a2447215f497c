"""What tests compare of two records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kvpr_opt.study.record import read_entries

#: What does not depend on the machine, the time, the number of jobs or the engine.
DETERMINISTIC = (
    "run",
    "program_sha256",
    "fleet_sha256",
    "parameters",
    "status",
    "stop_reason",
    "max_kvpr",
    "lower_bound",
    "gap",
    "certified",
    "error",
)


def told(folder: Path) -> dict[str, dict[str, Any]]:
    """What a record says of each run, without times."""
    return {
        entry["key"]: {name: entry.get(name) for name in DETERMINISTIC}
        for entry in read_entries(folder)
    }
