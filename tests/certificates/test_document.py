"""What docs/certificate.md settles where a second implementer might stumble.

Each case goes through both routes, the stand-alone program and ``kvpr-opt verify``, which
have to agree.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from small_fleets import TRAP, fleet

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import certify
from kvpr_opt.certificates.evidence import LowerBound, SolverClaim, Volume
from kvpr_opt.cli import main
from kvpr_opt.files import write_instance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement

# The package has a function of this name.
CHECKER = importlib.import_module("kvpr_opt.verify")

Routes = Callable[..., int]


@pytest.fixture
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Routes:
    """The exit code for a certificate, as text or bytes, by both routes."""

    def ask(certificate: str | bytes, instance: Instance = TRAP) -> int:
        path, canonical = tmp_path / "certificate.json", tmp_path / "canonical.json"
        path.write_bytes(certificate if isinstance(certificate, bytes) else certificate.encode())
        canonical.write_text(canonical_fleet(instance), encoding="utf-8")
        write_instance(instance, tmp_path / "fleet.json")
        alone = CHECKER.main([str(canonical), str(path)])
        monkeypatch.setattr(
            "sys.argv", ["kvpr-opt", "verify", str(tmp_path / "fleet.json"), str(path)]
        )
        with pytest.raises(SystemExit) as stop:
            main()
        assert (stop.value.code or 0) == alone
        return int(alone)

    return ask


def sound() -> dict[str, Any]:
    """A certificate with a proof and a solver's word."""
    bounds = [
        LowerBound(Fraction(1, 9), SolverClaim("Delphi", "1", Fraction(1), {"threads": "1"})),
        LowerBound(Fraction(1, 8), Volume()),
    ]
    best = Placement(TRAP, [0, 0, 1])
    made = json.loads(certify(TRAP, status="optimal", incumbent=best, bounds=bounds[1:]).to_json())
    word = certify(TRAP, status="feasible", incumbent=best, bounds=bounds[:1]).to_json()
    made["bounds"] += json.loads(word)["bounds"]
    return made  # type: ignore[no-any-return]


def changed(*path: str | int, value: object) -> str:
    data = sound()
    target: Any = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return json.dumps(data)


WORD = ("bounds", 1, "proof")


def test_as_it_is(routes: Routes) -> None:
    assert routes(json.dumps(sound())) == 3


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        # The form of the certificate itself: unreadable.
        (("status",), None, 2),
        (("status",), 1, 2),
        (("more",), "1", 2),
        (("max_kvpr",), "2/16", 2),
        (("max_kvpr",), 0.125, 2),
        (("placement",), [], 2),
        (("bounds",), {}, 2),
        (("bounds", 0), [], 2),
        (("bounds", 0, "value"), "1/08", 2),
        (("bounds", 0, "proof"), "volume", 2),
        (("bounds", 0, "more"), "1", 2),
        # What it claims, and what is inside placement and proofs: a check fails.
        (("status",), "perhaps", 5),
        (("instance_sha256",), "no digest", 5),
        (("instance_sha256",), "A" * 64, 5),
        (("placement", "x"), "a", 5),
        (("placement", "m0"), 7, 5),
        (("placement", "m0"), "no such GPU", 5),
        (("bounds", 0, "proof", "kind"), 1, 5),
        (("bounds", 0, "proof", "kind"), "oracle", 5),
        (("bounds", 0, "proof", "more"), "1", 5),
        ((*WORD, "threshold"), 1, 5),
        ((*WORD, "threshold"), "0.5", 5),
        ((*WORD, "threshold"), "9" * 20_001, 5),
        ((*WORD, "parameters"), {"threads": 1}, 5),
        ((*WORD, "parameters"), {"threads": True}, 5),
    ],
)
def test_exit_codes_by_place(
    routes: Routes, path: tuple[str | int, ...], value: object, code: int
) -> None:
    assert routes(changed(*path, value=value)) == code


def test_a_key_twice_makes_no_object_wherever_it_stands(routes: Routes) -> None:
    text = json.dumps(sound())
    for once, twice, code in [
        ('"status": "optimal"', '"status": "optimal", "status": "optimal"', 2),
        ('"m0": "g0"', '"m0": "g0", "m0": "g0"', 2),
        ('"kind": "volume"', '"kind": "volume", "kind": "volume"', 2),
        ('"threads": "1"', '"threads": "1", "threads": "1"', 5),
    ]:
        assert once in text
        assert routes(text.replace(once, twice, 1)) == code
    nested = {"kind": "rounded", "unit": "1", "proof": {"kind": "volume"}}
    text = changed("bounds", 0, "proof", value=nested)
    assert routes(text) == 3
    assert routes(text.replace('"kind": "volume"', '"kind": "volume", "kind": "volume"')) == 5


def test_encoding(routes: Routes) -> None:
    text = json.dumps(sound())
    assert routes(b"\xef\xbb\xbf" + text.encode()) == 2
    assert routes(text.encode("utf-16")) == 2
    assert routes(text.replace("Delphi", "D\u00e9lphi").encode("latin-1")) == 2
    assert routes(text.replace("Delphi", "\\ud83d\\ude00")) == 3
    for half in ("\\ud83d", "\\uDE00"):
        assert routes(text.replace("Delphi", half)) == 2
        assert routes(text.replace('"m0"', f'"{half}"')) == 2
    assert routes(text.replace("Delphi", "\ud800").encode(errors="surrogatepass")) == 2


def test_a_limit_counts_before_a_failed_check_but_not_before_the_digest(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [(5, 0), (5, 0), (4, 0), (4, 0), (4, 0), (4, 0), (3, 0)]
    instance = fleet([10] * 3, models)
    proof = {"kind": "tree", "models": "5 5 4 4 4 4 3", "gpus": "10"}
    data = json.loads(certify(instance, status="unknown", incumbent=None, bounds=[]).to_json())
    data["bounds"] = [{"value": "infinite", "proof": proof}]
    assert routes(json.dumps(data), instance) == 0
    data["status"] = "feasible"
    assert routes(json.dumps(data), instance) == 5
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(patterns=1))
    assert routes(json.dumps(data), instance) == 2
    data["instance_sha256"] = "another"
    assert routes(json.dumps(data), instance) == 5


def test_the_empty_text_is_a_list_of_none(routes: Routes) -> None:
    """It is read for a fleet without models, but nothing is proved by it."""
    empty = fleet([10], [])
    data = json.loads(certify(empty, status="unknown", incumbent=None, bounds=[]).to_json())
    for models, refused in [("", "no more points"), (" ", "a whole number"), ("0", "a whole")]:
        proof = {"kind": "dual", "models": models, "gpus": "0"}
        data["bounds"] = [{"value": "1", "proof": proof}]
        assert routes(json.dumps(data), empty) == 5
        report = CHECKER.check(canonical_fleet(empty), json.dumps(data))
        assert refused in report.checks[2].detail


def test_the_size_of_a_text_is_counted_in_bytes(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(sound(), ensure_ascii=False).replace("Delphi", "D\u00e9lphi")
    size = len(text.encode())
    assert size == len(text) + 1
    for most, code in ((size, 3), (size - 1, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(file_bytes=most))
        assert routes(text) == code
