"""What cannot be written down: one line with file, place, value and what is allowed; exit 2."""

import re

import pytest

GPUS = """gpus:
  - {name: a, memory: 80, node: n0, labels: [fast]}
  - {name: b, memory: 80, node: n0}
  - {name: c, memory: 80, node: n1}
"""
KNOWN = "known: a, b, c"


def with_keys(keys, gpus=GPUS):
    """A fleet of two models, the second with some keys."""
    ok = "{name: ok, size: 1, pressure: 1}"
    return f"{gpus}models:\n  - {ok}\n  - {{name: m, {keys}}}\n"


PLAIN = "size: 1, pressure: 1"

BAD = {
    "unknown GPU": (with_keys(f"{PLAIN}, pin: zz"), rf"\.pin: 'zz' is not a GPU.*; {KNOWN}$"),
    "unknown GPU now": (
        with_keys(f"{PLAIN}, count: 2, current: [a, zz]"),
        rf"\.current: 'zz' is not a GPU.*; {KNOWN}$",
    ),
    "unknown node": (
        with_keys(f"{PLAIN}, never: qq"),
        rf"\.never: 'qq' is not a GPU, node or label of the fleet; {KNOWN}, n0, n1, fast$",
    ),
    "unknown label": (
        with_keys(f"{PLAIN}, only: [fats]"),
        r"\.only: 'fats' is not a .* \(did you mean 'fast'\?\)$",
    ),
    "no GPU is left": (
        with_keys(f"{PLAIN}, only: fast, never: a"),
        r"\.only: only and never of model 'm' leave no GPU; at least one is needed$",
    ),
    "a pin against only": (
        with_keys(f"{PLAIN}, only: n1, pin: a"),
        r"\.pin: model 'm' is pinned to GPU 'a', but has only 'n1'$",
    ),
    "more shards than GPUs of a node": (
        with_keys(f"{PLAIN}, shards: 3"),
        r"\.shards: 3 shards need as many GPUs in one node; the largest node has 2$",
    ),
    "more replicas than nodes": (
        with_keys(f"{PLAIN}, replicas: 3, spread: node"),
        r"\.replicas: 3 replicas on different nodes have room for 2 at most$",
    ),
    "two copies pinned to one GPU": (
        with_keys(f"{PLAIN}, replicas: 2, pin: [a, a]"),
        r"\.pin: duplicate GPU 'a'; replicas and shards run on different GPUs$",
    ),
    "no heads": (
        with_keys(f"{PLAIN}, shards: 2, kv_heads: 0"),
        r"\.kv_heads: kv_heads 0 is not a whole number from 1 to \d+$",
    ),
    "another number of pins than shards": (
        with_keys(f"{PLAIN}, shards: 2, pin: [a, b, c]"),
        r"\.pin: 3 GPUs for 2 parts \(shards 2\); one is needed for each, in their order$",
    ),
    "no suffix": (
        with_keys("size: 16 gigs, pressure: 1"),
        r"\.size: size '16 gigs': 'gigs' is not a unit; allowed: a plain number, or one with GB, ",
    ),
    "plain and with a suffix": (
        with_keys("size: 16GB, pressure: 1"),
        r"gpus\[0\]\.memory: memory '80' has no unit, size '16GB' of models\[1\] has one; give ",
    ),
    "kinds of demand": (
        with_keys("size: 1, kv_demand: 3"),
        r"\.kv_demand: kv_demand of model 'm' beside pressure of model 'ok': kinds of demand that "
        r"do not add up; one kind is needed$",
    ),
    "unknown type": (
        with_keys(PLAIN, "gpus:\n  - {name: a, type: H999}\n"),
        r"gpus\[0\]\.type: type 'H999' is not known; give memory, or one of: T4, A10G, .*B200$",
    ),
    "a name that an expansion needs": (
        with_keys(f"{PLAIN}, replicas: 2").replace("name: ok", "name: m/r1"),
        r"\.name: name 'm/r1' is taken by models\[0\] already$",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_one_line_names_file_place_value_and_what_is_allowed(run, tmp_path, case):
    text, message = BAD[case]
    path = tmp_path / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    code, out, err = run("solve", path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    place = "" if message.startswith("gpus") else r"models\[1\]"
    assert re.search(rf"fleet\.yaml: {place}{message}", err.rstrip("\n"), re.MULTILINE), err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("models", "cause"),
    [
        ("{name: x, size: 50, pressure: 1, pin: a, count: 2}", "do not fit together"),
        ("{name: x, size: 1, pressure: 1, apart: g, count: 4}", "there are 3 GPUs"),
    ],
)
def test_what_only_numbers_exclude_is_proved(run, tmp_path, models, cause):
    path = tmp_path / "fleet.yaml"
    path.write_text(f"{GPUS}models:\n  - {models}\n", encoding="utf-8")
    code, out, err = run("solve", path)
    assert code == 4
    assert cause in " ".join((out + err).split())
