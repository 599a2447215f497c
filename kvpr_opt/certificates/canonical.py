r"""The canonical form of a fleet, and the digest that names it.

Two files that mean the same fleet have the same canonical form, whatever their
format, order of keys or way of writing numbers. It is one line of JSON without
spaces, in UTF-8, with the keys in this order::

    {"schema":"kvpr-opt/canonical/1",
     "gpus":[{"name":"gpu0","memory":"80"}],
     "models":[{"name":"llama-8b","size":"161/10","pressure":"24"}],
     "constraints":[]}

(broken into lines here only). ``memory`` is the usable memory, nominal less
reserved; numbers are reduced fractions in text, without a denominator of 1;
GPUs and models keep the order of the input. In text only the double quote, the
backslash and the characters below U+0020 are escaped: as ``\b \t \n \f \r``
where JSON has a short form, else as ``\u00xx`` in lower case.
"""

from __future__ import annotations

import hashlib
import json

from kvpr_opt.problem.instance import Instance

#: The value of the key ``schema`` in a canonical fleet.
SCHEMA = "kvpr-opt/canonical/1"


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
        "schema": SCHEMA,
        "gpus": [{"name": gpu.name, "memory": str(gpu.usable)} for gpu in instance.gpus],
        "models": [
            {"name": model.name, "size": str(model.size), "pressure": str(model.pressure)}
            for model in instance.models
        ],
        "constraints": [],
    }
    return json.dumps(fleet, ensure_ascii=False, separators=(",", ":"))


def digest(instance: Instance) -> str:
    """The SHA-256 of the canonical fleet in UTF-8, in hexadecimal.

    Parameters
    ----------
    instance
        The fleet.
    """
    return hashlib.sha256(canonical_fleet(instance).encode("utf-8")).hexdigest()
