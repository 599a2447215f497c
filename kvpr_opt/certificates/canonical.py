r"""The canonical form of a fleet, and the digest that names it.

Two files that mean the same fleet have the same canonical form, whatever their
format, order of keys or way of writing numbers. It is one line of JSON without
spaces, in UTF-8, with the keys in this order::

    {"schema":"kvpr-opt/canonical/1",
     "gpus":[{"name":"gpu0","memory":"80"}],
     "models":[{"name":"llama-8b","size":"161/10","pressure":"24"}],
     "constraints":[]}

(broken into lines here only). ``memory`` is the usable memory, nominal less
reserved; ``size`` is all that a model occupies on a GPU (weights, overhead and
smallest KV cache); numbers are reduced fractions in text, without a denominator
of 1; GPUs and models keep the order of the input, every copy, replica and shard
being a model of its own.

A fleet with constraints has the schema ``kvpr-opt/canonical/2``. Its constraints
are objects of these kinds, in this order and with these keys, models and GPUs by
name, in the order of the input::

    {"kind":"only","model":"a","gpus":["gpu0"]}           it runs on one of these
    {"kind":"apart","models":["a","b"]}                   a GPU takes one of these at most
    {"kind":"together","models":["c/s0","c/s1"]}          all in one node
    {"kind":"spread","models":[["d/r0"],["d/r1"]]}        no node has models of two lists

Pins, ``only`` and ``never`` all come down to the first kind; groups, replicas and
shards to the second. What excludes nothing is left out: a restriction to all GPUs,
a group of one model or within another group, nodes where there is one only. Where
there are constraints of the last two kinds, every GPU has a third key, ``node``:
the name of the first GPU of its node. In text only the double quote, the
backslash and the characters below U+0020 are escaped: as ``\b \t \n \f \r``
where JSON has a short form, else as ``\u00xx`` in lower case.
"""

from __future__ import annotations

import hashlib
import json

from kvpr_opt.problem.instance import Instance

#: The value of the key ``schema`` in a canonical fleet, without constraints and with.
SCHEMA = "kvpr-opt/canonical/1"
CONSTRAINED_SCHEMA = "kvpr-opt/canonical/2"


def canonical_fleet(instance: Instance) -> str:
    """The canonical form of a fleet.

    Parameters
    ----------
    instance
        The fleet.

    Returns
    -------
    str
        One line of compact JSON, without a newline at its end.
    """
    fleet = {
        "schema": CONSTRAINED_SCHEMA if instance.constraints else SCHEMA,
        "gpus": _gpus(instance),
        "models": [
            {"name": model.name, "size": str(model.footprint), "pressure": str(model.pressure)}
            for model in instance.models
        ],
        "constraints": _constraints(instance),
    }
    return json.dumps(fleet, ensure_ascii=False, separators=(",", ":"))


def _gpus(instance: Instance) -> list[dict[str, str]]:
    gpus = [{"name": gpu.name, "memory": str(gpu.usable)} for gpu in instance.gpus]
    if instance.constraints.uses_nodes:
        for node in instance.constraints.nodes:
            for number in node:
                gpus[number]["node"] = instance.gpus[node[0]].name
    return gpus


def _constraints(instance: Instance) -> list[dict[str, object]]:
    known = instance.constraints
    gpus = [gpu.name for gpu in instance.gpus]
    models = [model.name for model in instance.models]
    listed: list[dict[str, object]] = [
        {"kind": "only", "model": models[model], "gpus": [gpus[gpu] for gpu in sorted(allowed)]}
        for model, allowed, _ in sorted(known.restrictions, key=lambda each: each.model)
    ]
    listed += [
        {"kind": "apart", "models": [models[model] for model in members]}
        for members in sorted(group.models for group in known.apart)
    ]
    listed += [
        {"kind": "together", "models": [models[model] for model in members]}
        for members in sorted(shards.models for shards in known.together)
    ]
    listed += [
        {"kind": "spread", "models": [[models[part] for part in parts] for parts in replicas]}
        for replicas in sorted(spread.replicas for spread in known.spread)
    ]
    return listed


def digest(instance: Instance) -> str:
    """The SHA-256 of the canonical fleet in UTF-8, in hexadecimal.

    Parameters
    ----------
    instance
        The fleet.
    """
    return hashlib.sha256(canonical_fleet(instance).encode("utf-8")).hexdigest()
