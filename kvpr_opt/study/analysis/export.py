"""Exports a record as one table for other programs: CSV or Parquet, one row per run."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_bytes
from kvpr_opt.problem.exact import fraction_text
from kvpr_opt.study.recorded_run import Answer, RecordedRun
from kvpr_opt.text import writable

#: The supported file formats, by suffix.
SUFFIXES = (".csv", ".parquet")

# The columns and their polars types; one column per version follows.
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


def export(runs: Iterable[RecordedRun], path: str | os.PathLike[str]) -> int:
    """Write a record as a table, whole or not at all.

    Exact values appear twice: as text, exactly, and to the nearest double. ``trajectory``,
    ``parameters`` and ``options`` are JSON. Missing numbers, such as the time limit of a
    run without one, are empty.

    Parameters
    ----------
    runs
        As in :class:`~kvpr_opt.study.record.RecordContent`.
    path
        A ``.csv`` or ``.parquet`` file.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    InputError
        If the suffix is not supported, polars is not installed, or the file cannot be
        written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"suffix {suffix!r} is not {' or '.join(SUFFIXES)}", source=str(path))
    try:
        import polars
    except ImportError:
        raise InputError(
            "exporting requires the package polars: pip install 'kvpr-opt[study]'"
        ) from None
    rows = [_row(recorded) for recorded in runs]
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


def _row(recorded: RecordedRun) -> dict[str, Any]:
    run = recorded.run
    method, cell = run.method, run.cell
    return {
        "key": run.key,
        "cell": writable(str(cell)),
        "fleet": writable(cell.fleet_name(run.seed)),
        "family": run.identity["family"],
        "gpus": cell.gpus,
        "models": cell.models,
        "options": json.dumps(run.identity["options"]),
        "seed": run.seed,
        "method": method.name,
        "program": None if method.program is None else method.program.reference,
        "program_sha256": recorded.program_sha256 or None,
        "time_limit": method.time_limit,
        "threads": method.threads,
        "target_gap": method.gap,
        "method_seed": method.seed,
        "skip": " ".join(method.skip),
        "error": recorded.error,
        "ended": recorded.ended or None,
        **{name: recorded.machine.get(name) for name in ("cpu", "cores", "platform")},
        **({} if recorded.answer is None else _answer(recorded.answer)),
        **{f"version_{name}": text for name, text in recorded.versions.items()},
    }


def _answer(answer: Answer) -> dict[str, Any]:
    value, bound = answer.max_kvpr, answer.lower_bound
    return {
        "fleet_sha256": answer.fleet_sha256,
        "status": answer.status.value,
        "stop_reason": answer.stop_reason.value,
        "certified": answer.certified,
        "max_kvpr": None if value is None else float(value),
        "max_kvpr_exact": None if value is None else fraction_text(value),
        "lower_bound": None if bound is None else float(bound),
        "lower_bound_exact": None if bound is None else fraction_text(bound),
        "gap": None if answer.gap is None else float(answer.gap),
        "seconds": answer.seconds,
        "parameters": json.dumps(answer.parameters),
        "trajectory": json.dumps(msgspec.to_builtins(answer.trajectory)),
    }
