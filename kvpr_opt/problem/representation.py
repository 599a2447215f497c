"""How a GPU and a model show themselves: as the call that makes them, without its defaults."""

from __future__ import annotations

import inspect
from fractions import Fraction

from kvpr_opt.problem.exact import decimal_text


def call_text(thing: object, *, without: tuple[str, ...] = ()) -> str:
    """The call that makes an object equal to `thing`, as far as it is not the default.

    Parameters
    ----------
    thing
        An object whose attributes are called as the parameters of its class, the first
        being its name.
    without
        Attributes to leave out, because others imply them.

    Examples
    --------
    >>> from kvpr_opt import GPU
    >>> call_text(GPU("a", 80, reserved="7/3"))
    "GPU('a', memory=80, reserved='7/3')"
    """
    parts = []
    for position, (name, default) in enumerate(_parameters(type(thing))):
        value = getattr(thing, name)
        if position == 0:
            parts.append(repr(value))
        elif name not in without and value not in (default, None, ()):
            parts.append(f"{name}={_argument(value)}")
    return f"{type(thing).__name__}({', '.join(parts)})"


def _parameters(kind: type) -> list[tuple[str, object]]:
    # The signature of the class has no `self`.
    return [
        (parameter.name, parameter.default)
        for parameter in inspect.signature(kind).parameters.values()
    ]


def _argument(value: object) -> str:
    """A value as one would write it: a short decimal as a number, any other fraction as text."""
    if type(value) is tuple and len(value) == 1:  # not a named one
        return repr(value[0])
    if not isinstance(value, Fraction):
        return repr(value)
    text = decimal_text(value)
    # A float stands for its shortest decimal form: what has more digits would not come back.
    return text if value.denominator == 1 or text == repr(float(value)) else repr(text)
