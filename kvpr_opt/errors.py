"""Every error that the package raises on purpose.

All of them derive from :class:`KvprError`, so that one ``except`` catches what
a user can fix and lets bugs through. The commands turn a ``KvprError``
into one line on the screen and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class KvprError(Exception):
    """Base class of all errors raised on purpose by ``kvpr_opt``."""


class InputError(KvprError):
    """A value from outside the package cannot be used.

    Parameters
    ----------
    message
        What is wrong and what is allowed.
    place
        Where in the input, for example ``models[3].slo``.
    source
        The file, where there is one.
    """

    def __init__(self, message: str, *, place: str = "", source: str = "") -> None:
        self.message = message
        self.place = place
        self.source = source
        super().__init__(": ".join(part for part in (source, place, message) if part))

    def within(self, *, place: str = "", source: str = "") -> InputError:
        """The same error, placed deeper inside an input or a file."""
        joined = ".".join(part for part in (place, self.place) if part)
        return type(self)(self.message, place=joined, source=source or self.source)


class InvalidPlacementError(KvprError):
    """A placement lacks a model, names an unknown GPU, overfills one or breaks a constraint."""


class SolverError(KvprError):
    """A solver behaved in a way that its documentation rules out."""


class NumericalError(SolverError):
    """A floating-point solver failed numerically; what was proved before still holds."""


def check_known(kind: str, name: str, known: Collection[str], *, place: str) -> None:
    """Refuse a name that is not one of the known ones.

    Raises
    ------
    InputError
        With the nearest known name, and all of them.
    """
    if name not in known:
        raise InputError(
            f"{kind} {name!r} is not known{nearest(str(name), known)}; known: {', '.join(known)}",
            place=place,
        )


# How alike two words have to be, 0 to 1, for the one to be taken for a misspelling of the other.
_NEAR = 0.65


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word closest to `word`, or an empty string.

    Examples
    --------
    >>> nearest("slo_ms", ["size", "slo"])
    " (did you mean 'slo'?)"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=_NEAR)
    return f" (did you mean '{close[0]}'?)" if close else ""
