"""One line of the record of a study: a run and its outcome as JSON, and back.

``docs/study_format.md`` describes the keys.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any, Literal

import msgspec

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import fraction_text, read_fraction
from kvpr_opt.study.recorded_run import Answer, Failure, RecordedRun
from kvpr_opt.study.runs import run_of
from kvpr_opt.suites.pcmax import PublishedSchedule
from kvpr_opt.text import one_line, writable

#: The value of the key ``schema`` in every line.
SCHEMA = "kvpr-opt/run/1"

# A larger KVPR cannot be a measurement, nor can it be drawn: it exceeds a double.
_MAX_KVPR = 10**300


class _Head(msgspec.Struct, frozen=True):
    """The keys that every line has, and the one that only a failed run has."""

    schema: Literal["kvpr-opt/run/1"]
    key: str
    run: dict[str, Any]
    program_sha256: str = ""
    schedule: PublishedSchedule | None = None
    versions: dict[str, str] = {}
    machine: dict[str, str | int] = {}
    ended: str = ""
    error: str | None = None


def _exact(_type: type, text: Any) -> Fraction:
    """Decode an exact value."""
    if not isinstance(text, str):
        raise ValueError(f"{type(text).__name__} is not a fraction in quotes")
    try:
        value = read_fraction(text, "value")
    except InputError as error:
        raise ValueError(str(error)) from None
    if not 0 <= value < _MAX_KVPR:
        raise ValueError("a KVPR is at least 0 and below 1e300")
    return value


_HEAD = msgspec.json.Decoder(_Head)
_ANSWER = msgspec.json.Decoder(Answer, dec_hook=_exact)


def decode_line(line: bytes) -> RecordedRun:
    """The run that a line of the record stores.

    Keys that this version does not know are ignored.

    Raises
    ------
    InputError
        If the line is damaged, or has another schema.
    """
    try:
        head = _HEAD.decode(line)
        outcome = _ANSWER.decode(line) if head.error is None else Failure(head.error)
    except RecursionError:
        raise InputError("nested too deeply") from None
    except ValueError as error:  # also what is not UTF-8, and numbers of thousands of digits
        raise InputError(writable(one_line(str(error)), 200)) from None
    run = run_of(head.run)
    if run.key != head.key:
        raise InputError(f"the key {head.key[:40]!r} is not that of its run, {run.key!r}")
    return RecordedRun(
        run=run,
        outcome=outcome,
        program_sha256=head.program_sha256,
        schedule=head.schedule,
        versions=head.versions,
        machine=head.machine,
        ended=head.ended,
    )


def encode_line(recorded: RecordedRun) -> bytes:
    """The line of the record that stores a run, with its newline.

    Raises
    ------
    ValueError, TypeError
        If the outcome holds what JSON cannot: a number that is not finite, half of a
        surrogate pair, an object.
    """
    program, schedule = recorded.program_sha256, recorded.schedule
    line = {
        "schema": SCHEMA,
        "key": recorded.run.key,
        "run": recorded.run.identity,
        **({"program_sha256": program} if program else {}),
        **({} if schedule is None else {"schedule": msgspec.to_builtins(schedule)}),
        "versions": recorded.versions,
        "machine": recorded.machine,
        "ended": recorded.ended,
        **_outcome_keys(recorded.outcome),
    }
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"


def _outcome_keys(outcome: Answer | Failure) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"error": writable(outcome.error)}
    return {
        "fleet_sha256": outcome.fleet_sha256,
        "parameters": outcome.parameters,
        "status": outcome.status.value,
        "stop_reason": outcome.stop_reason.value,
        "max_kvpr": None if outcome.max_kvpr is None else fraction_text(outcome.max_kvpr),
        "lower_bound": None if outcome.lower_bound is None else fraction_text(outcome.lower_bound),
        "gap": None if outcome.gap is None else float(outcome.gap),
        "certified": outcome.certified,
        "seconds": outcome.seconds,
        "trajectory": [
            {
                "seconds": point.seconds,
                "stage": point.stage,
                "max_kvpr": point.max_kvpr,
                "lower_bound": point.lower_bound,
            }
            for point in outcome.trajectory
        ],
        "statistics": outcome.statistics,
        **({"certificate_sha256": kept} if (kept := outcome.certificate_sha256) else {}),
    }
