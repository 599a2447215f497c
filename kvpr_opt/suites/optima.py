"""Certified optima of fleets: shipped, cached, or proved on demand.

Every claim that a value is optimal, whether it comes from a file of this package or from the
user's cache, is a certificate, and the checker verifies it before it is used. Only proofs
that do not rest on a solver's word count.

The shipped files have the content of :func:`certificates_text` for the fleets of the
suites that they are named after.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.certificates.certificate import BoundClaim, Certificate, verify
from kvpr_opt.errors import InputError, KvprError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.files.source import read_text
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Status
from kvpr_opt.solve import solve

#: The value of the key ``schema`` in a cached optimum.
SCHEMA = "kvpr-opt/optimum/1"

#: The shipped certificates, one per line.
SHIPPED = ("prism50.jsonl", "evolve-train.jsonl", "evolve-held-out.jsonl")

# The kind of proof that is a solver's word.
_WORD = "solver"

_PROVED = (Status.OPTIMAL, Status.INFEASIBLE)


@dataclass(frozen=True)
class Optimum:
    """What is proved about the best maximum KVPR of a fleet.

    Attributes
    ----------
    placement
        The best one known, of finite maximum KVPR; ``None`` without one.
    lower_bound
        No placement has a smaller maximum KVPR; verified by the checker. ``math.inf`` if
        no placement has a finite KVPR.
    certificate
        The evidence for both.
    note
        A problem that was not fatal: a damaged cache entry, or one that could not be
        written. Empty if there was none.
    """

    placement: Placement | None
    lower_bound: Fraction | float
    certificate: Certificate
    note: str = ""

    @property
    def status(self) -> Status:
        """As of a result, from placement and bound."""
        return Status.of(self.placement, self.lower_bound)

    @property
    def proved(self) -> bool:
        """Whether it is settled: optimal, or infeasible."""
        return self.status in _PROVED

    @property
    def max_kvpr(self) -> Fraction | None:
        """Of the placement; the optimum if :attr:`proved`."""
        value = None if self.placement is None else self.placement.max_kvpr
        return value if isinstance(value, Fraction) else None

    @property
    def gap(self) -> Fraction | None:
        """Relative gap between the two; ``None`` without a placement."""
        return relative_gap(self.max_kvpr, self.lower_bound)


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A cached optimum as it is stored in its file."""

    schema: str
    #: The time limit with which it was solved, in seconds; ``None`` for no limit.
    time_limit: float | None
    certificate: str


def optimum(
    instance: Instance,
    time_limit: float | None = 60,
    *,
    threads: int | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Optimum:
    """The certified optimum of a fleet, or the best certified bound.

    It is looked up by the digest of the fleet, first among the shipped optima and then in the
    cache. If it is unknown, or not settled and there is now more time, the fleet is
    solved and the result is cached.

    Parameters
    ----------
    instance
        The fleet.
    time_limit
        Seconds for solving it, ``None`` for no limit.
    threads
        Cores for solving it, ``None`` for all.
    folder
        The cache; :func:`cache_folder` if not given.

    Returns
    -------
    Optimum
        Verified, wherever it comes from.
    """
    name = digest(instance)
    if name in _shipped():
        return _believed(instance, _shipped()[name])
    path = Path(folder or cache_folder()) / f"{name}.json"
    known, spent, note = _remembered(instance, path)
    if known is not None and (known.proved or spent >= _seconds(time_limit)):
        return known
    start = None if known is None else known.placement
    result = solve(instance, time_limit=time_limit, threads=threads, warm_start=start)
    assert result.certificate is not None, "solve always writes one"
    bounds = [bound for bound in result.certificate.bounds if bound.proof["kind"] != _WORD]
    if known is not None:
        bounds += known.certificate.bounds
    best = max(bounds, key=lambda bound: bound.value, default=None)
    found = _believed(instance, _certificate(instance, result.placement, best))
    notes = [note, _remember(path, found, max(spent, _seconds(time_limit)))]
    return replace(found, note="; ".join(filter(None, notes)))


def cache_folder() -> Path:
    """The cache of optima: ``kvpr-opt/optima`` in the user's cache folder.

    That folder is ``$XDG_CACHE_HOME``, ``%LOCALAPPDATA%`` or ``~/.cache``; for a user without
    a home, as in a container, the folder for temporary files. Whatever others may have put
    there is harmless, since the checker verifies it first.
    """
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        home = Path(cache_home) if cache_home else Path.home() / ".cache"
    except RuntimeError:
        home = Path(tempfile.gettempdir())
    return home / "kvpr-opt" / "optima"


@cache
def _shipped() -> dict[str, Certificate]:
    """The shipped certificates by the digest of their fleet."""
    texts = [files(__package__).joinpath(name).read_text(encoding="utf-8") for name in SHIPPED]
    certificates = map(Certificate.from_json, "".join(texts).splitlines())
    return {certificate.instance_sha256: certificate for certificate in certificates}


def certificates_text(instances: Iterable[Instance]) -> str:
    """The content of a file of :data:`SHIPPED`: the certificate of each fleet on one line."""
    lines = []
    for instance in instances:
        result = solve(instance, threads=1)
        assert result.certificate is not None
        lines.append(json.dumps(json.loads(result.certificate.to_json()), separators=(",", ":")))
    return "\n".join(lines) + "\n"


def _believed(instance: Instance, certificate: Certificate) -> Optimum:
    """Verify a certificate and return what it proves.

    Raises
    ------
    InputError
        If the checker does not accept every claim as proved.
    """
    report = verify(instance, certificate)
    if not report.proved:
        failed = "; ".join(check.detail for check in report.checks if check.outcome != "passed")
        raise InputError(f"the certificate is not accepted: {failed}")
    assigned = certificate.placement
    placement = None if assigned is None else Placement.of(instance, assigned)
    bound = max((bound.value for bound in certificate.bounds), default=Fraction(0))
    return Optimum(placement, bound, certificate)


def _certificate(
    instance: Instance, placement: Placement | None, bound: BoundClaim | None
) -> Certificate:
    """A certificate of a placement and a bound, with the status that follows from them."""
    lower_bound = Fraction(0) if bound is None else bound.value
    value = None if placement is None else placement.max_kvpr
    assert not isinstance(value, float), "solve returns no placement of infinite KVPR"
    return Certificate(
        instance_sha256=digest(instance),
        status=Status.of(placement, lower_bound).value,
        max_kvpr=value,
        placement=None if placement is None else placement.assignment,
        bounds=() if bound is None else (bound,),
    )


def _remembered(instance: Instance, path: Path) -> tuple[Optimum | None, float, str]:
    """The cached optimum, the time limit that it was solved with, and a note on damage."""
    if not path.exists():
        return None, 0.0, ""
    try:
        entry = msgspec.json.decode(read_text(path), type=_Entry)
        if entry.schema != SCHEMA:
            raise InputError(f"{entry.schema!r} is not {SCHEMA!r}", place="schema")
        known = _believed(instance, Certificate.from_json(entry.certificate))
    except (KvprError, msgspec.DecodeError) as error:
        reason = " ".join(str(error).split())
        return None, 0.0, f"{path} is damaged and was not used: {reason}"
    return known, math.inf if entry.time_limit is None else entry.time_limit, ""


def _remember(path: Path, found: Optimum, seconds: float) -> str:
    """Write a cache entry; returns a note if that was not possible."""
    entry = _Entry(
        schema=SCHEMA,
        time_limit=None if seconds == math.inf else seconds,
        certificate=found.certificate.to_json(),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, msgspec.json.encode(entry).decode("utf-8") + "\n")
    except (InputError, OSError) as error:
        return f"the result was not cached: {error}"
    return ""


def _seconds(time_limit: float | None) -> float:
    return math.inf if time_limit is None else time_limit
