"""What tests compare of two records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kvpr_opt.study.record import read_record
from kvpr_opt.study.record_line import encode_line

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
    lines = [json.loads(encode_line(recorded)) for recorded in read_record(folder).runs]
    return {line["key"]: {name: line.get(name) for name in DETERMINISTIC} for line in lines}
