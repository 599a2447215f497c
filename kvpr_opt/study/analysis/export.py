"""A record as one table, for any other program: CSV or Parquet, one row a run."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_bytes
from kvpr_opt.problem.exact import read_fraction
from kvpr_opt.study.runs import run_of

#: The kinds of file by the end of their name.
SUFFIXES = (".csv", ".parquet")

# The columns and their types in polars; those of versions come after them.
_COLUMNS = {
    "key": "String",
    "cell": "String",
    "fleet": "String",
    "fleet_sha256": "String",
    "family": "String",
    "gpus": "Int64",
    "models": "Int64",
    "options": "String",
    "seed": "Int64",
    "method": "String",
    "program": "String",
    "program_sha256": "String",
    "time_limit": "Float64",
    "threads": "Int64",
    "target_gap": "String",
    "method_seed": "Int64",
    "skip": "String",
    "status": "String",
    "stop_reason": "String",
    "certified": "Boolean",
    "max_kvpr": "Float64",
    "max_kvpr_exact": "String",
    "lower_bound": "Float64",
    "lower_bound_exact": "String",
    "gap": "Float64",
    "seconds": "Float64",
    "error": "String",
    "ended": "String",
    "cpu": "String",
    "cores": "Int64",
    "platform": "String",
    "parameters": "String",
    "trajectory": "String",
}


def export(entries: Iterable[Mapping[str, Any]], path: str | os.PathLike[str]) -> int:
    """Write a record as a table, whole or not at all.

    Numbers that claim something are there twice: as text, exactly, and to the nearest
    double. ``trajectory``, ``parameters`` and ``options`` are JSON. A number that there
    is not, such as the time limit of a run without, is empty.

    Parameters
    ----------
    entries
        As :func:`kvpr_opt.study.record.read_entries` gives them.
    path
        A ``.csv`` or ``.parquet`` file.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    InputError
        If the suffix is another one, polars is not installed, or the file cannot
        be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"suffix {suffix!r} is not {' or '.join(SUFFIXES)}", source=str(path))
    try:
        import polars
    except ImportError:
        raise InputError(
            "exporting needs the package polars: pip install 'kvpr-opt[study]'"
        ) from None
    rows = [_row(entry) for entry in entries]
    names = dict.fromkeys(name for row in rows for name in row if name not in _COLUMNS)
    schema = {
        **{name: getattr(polars, kind) for name, kind in _COLUMNS.items()},
        **dict.fromkeys(names, polars.String),
    }
    frame = polars.DataFrame(rows, schema=schema, strict=True)
    stream = io.BytesIO()
    if suffix == ".csv":
        frame.write_csv(stream)
    else:
        frame.write_parquet(stream)
    write_bytes(path, stream.getvalue())
    return len(rows)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    asked = entry["run"]
    run = run_of(asked)
    method = run.method
    machine = entry.get("machine", {})
    return {
        "key": entry["key"],
        "cell": str(run.cell),
        "fleet": run.cell.fleet_name(run.seed),
        "family": asked["family"],
        "gpus": asked["gpus"],
        "models": asked["models"],
        "options": json.dumps(asked["options"]),
        "seed": run.seed,
        "method": method.name,
        "program": None if method.program is None else method.program.reference,
        "time_limit": method.time_limit,
        "threads": method.threads,
        "target_gap": method.gap,
        "method_seed": method.seed,
        "skip": " ".join(method.skip),
        "max_kvpr": _decimal(entry, "max_kvpr"),
        "max_kvpr_exact": entry.get("max_kvpr"),
        "lower_bound": _decimal(entry, "lower_bound"),
        "lower_bound_exact": entry.get("lower_bound"),
        **{name: machine.get(name) for name in ("cpu", "cores", "platform")},
        **{name: entry.get(name) for name in _AS_THEY_ARE},
        **{name: _json(entry.get(name)) for name in ("parameters", "trajectory")},
        **{f"version_{name}": text for name, text in entry["versions"].items()},
    }


_AS_THEY_ARE = (
    "fleet_sha256",
    "program_sha256",
    "status",
    "stop_reason",
    "certified",
    "gap",
    "seconds",
    "error",
    "ended",
)


def _decimal(entry: Mapping[str, Any], name: str) -> float | None:
    text = entry.get(name)
    return None if text is None else float(read_fraction(text, name))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)
