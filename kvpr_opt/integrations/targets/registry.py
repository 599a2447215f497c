"""All targets, by name."""

from __future__ import annotations

from collections.abc import Iterable

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.integrations.targets import (
    compose,
    kubernetes,
    kvcached,
    llama_swap,
    prism,
    systemd,
    vllm,
)
from kvpr_opt.integrations.targets.protocol import Target

#: A new target is one file beside these and one entry here.
TARGETS: dict[str, Target] = {
    target.NAME: target
    for target in (vllm, systemd, compose, llama_swap, kubernetes, kvcached, prism)
}


def settings_of(target: Target, given: Iterable[str]) -> dict[str, str]:
    """The settings of a target, with those given as ``KEY=VALUE`` replaced.

    Raises
    ------
    InputError
        If one has another form, is unknown, or is given twice.
    """
    settings = {key: setting.default for key, setting in target.SETTINGS.items()}
    seen = set()
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise InputError(f"{text!r} is not KEY=VALUE", place="--set")
        if key not in settings:
            known = ", ".join(settings) or "none"
            raise InputError(
                f"{target.NAME} has no setting {key!r}{nearest(key, settings)}; known: {known}",
                place="--set",
            )
        if key in seen:
            raise InputError(f"{key!r} is given twice", place="--set")
        if not value.isprintable():
            raise InputError(f"{value!r} has characters that cannot be printed", place="--set")
        seen.add(key)
        settings[key] = value
    return settings
