"""The result file: the answer of a run as JSON, and back."""

from __future__ import annotations

import json
import math
import os
from fractions import Fraction
from typing import Any

import msgspec

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.files.source import label, read_text
from kvpr_opt.problem.exact import read_fraction
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import SCHEMA, Grade, Result, Status, StopReason


class _Value(msgspec.Struct, forbid_unknown_fields=True):
    """A number, exactly and to the nearest double."""

    exact: str
    decimal: float


class _Load(msgspec.Struct, forbid_unknown_fields=True):
    """One GPU under the placement."""

    name: str
    memory: float
    used: float
    pressure: float
    kvpr: float


class _ResultFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file as it stands: the keys, their order and their types."""

    schema: str
    instance_sha256: str
    status: Status
    stop_reason: StopReason
    message: str
    certified: bool
    max_kvpr: _Value | None
    lower_bound: _Value | None
    gap: float | None
    assignment: dict[str, str] | None
    gpus: list[_Load]
    seconds: float
    versions: dict[str, str]
    parameters: dict[str, Any]
    statistics: dict[str, Any]
    grade: Grade | None = None


def write_result(result: Result, path: str | os.PathLike[str]) -> None:
    """Write the data of :meth:`Result.to_dict` as JSON, whole or not at all.

    Parameters
    ----------
    result
        The answer of a run.
    path
        The file; ``-`` for standard output.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    text = json.dumps(result.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_result(path: str | os.PathLike[str], instance: Instance) -> Result:
    """Read a result of a fleet back; everything that can be computed again is compared.

    The certificate has a file of its own and is not part of it.

    Parameters
    ----------
    path
        A file that :func:`write_result` wrote.
    instance
        The fleet that it is the result of.

    Raises
    ------
    InputError
        If the file cannot be read, is not a result file, belongs to another fleet,
        or contradicts itself.
    """
    source = label(path)
    try:
        data = msgspec.json.decode(read_text(path), type=_ResultFile)
    except msgspec.DecodeError as error:
        raise InputError(f"not a result file: {error}", source=source) from None
    try:
        return _checked(data, instance)
    except InputError as error:
        raise error.within(source=source) from None


def _checked(data: _ResultFile, instance: Instance) -> Result:
    if data.schema != SCHEMA:
        raise InputError(f"{data.schema!r} is not {SCHEMA!r}", place="schema")
    if data.instance_sha256 != digest(instance):
        raise InputError("the result belongs to another fleet", place="instance_sha256")
    try:
        placement = None if data.assignment is None else Placement.of(instance, data.assignment)
    except InvalidPlacementError as error:
        raise InputError(str(error), place="assignment") from None
    claimed = None if data.max_kvpr is None else read_fraction(data.max_kvpr.exact, "max_kvpr")
    if claimed != (None if placement is None else placement.max_kvpr):
        raise InputError("not the max KVPR of the assignment", place="max_kvpr.exact")
    bound: Fraction | float | None = None
    if data.lower_bound is not None:
        bound = read_fraction(data.lower_bound.exact, "lower_bound")
    elif data.status is Status.INFEASIBLE:
        bound = math.inf
    if Status.of(placement, bound) is not data.status:
        raise InputError(
            f"{data.status.value!r} does not follow from the values given", place="status"
        )
    grade = _grade(data)
    if data.certified is not (grade is Grade.CERTIFIED):
        raise InputError(f"{data.certified} contradicts the grade", place="certified")
    return Result(
        instance=instance,
        status=data.status,
        placement=placement,
        lower_bound=bound,
        grade=grade,
        stop_reason=data.stop_reason,
        message=data.message,
        certificate=None,
        seconds=data.seconds,
        parameters=data.parameters,
        versions=data.versions,
        statistics=data.statistics,
    )


def _grade(data: _ResultFile) -> Grade | None:
    """The grade as written or, in files from before there was that key, as it follows."""
    if data.grade is not None:
        return data.grade
    if data.lower_bound is None and data.status is not Status.INFEASIBLE:
        return None
    if data.certified:
        return Grade.CERTIFIED
    return Grade.NOT_CHECKED if "not checked" in data.message else Grade.SOLVER
