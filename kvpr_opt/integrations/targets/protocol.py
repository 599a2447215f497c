"""What a target has to offer. A module with these names is one (see ``template.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kvpr_opt.integrations.launch import Launch


@dataclass(frozen=True)
class Setting:
    """Something that a fleet does not say, and that has a sensible default.

    Attributes
    ----------
    default
        Its value, if none is given.
    meaning
        In a few words.
    """

    default: str
    meaning: str


class Target(Protocol):
    """A kind of configuration that a placement is written as."""

    @property
    def NAME(self) -> str:
        """What ``--for`` calls it."""

    @property
    def STACK(self) -> str:
        """The software and the version of it that the files are for."""

    @property
    def SETTINGS(self) -> Mapping[str, Setting]:
        """What ``--set`` can change, by name."""

    def files(self, plan: Launch, settings: Mapping[str, str]) -> dict[str, str]:
        """The files, by name.

        Parameters
        ----------
        plan
            What is to run.
        settings
            A value for each of :attr:`SETTINGS`.

        Raises
        ------
        InputError
            If the plan cannot be expressed, or a name cannot be written down.
        """
