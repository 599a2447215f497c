"""The interface of a target: any module with these names is one (see ``template.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from kvpr_opt.integrations.launch import Launch


@dataclass(frozen=True)
class Setting:
    """A setting that is not part of a fleet and has a sensible default.

    Attributes
    ----------
    default
        Its value if none is given.
    meaning
        A short description.
    """

    default: str
    meaning: str


class Target(Protocol):
    """A configuration format in which a placement can be written."""

    @property
    def NAME(self) -> str:
        """Its name for ``--for``."""

    @property
    def STACK(self) -> str:
        """The software and version that the files are for."""

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
            If the format cannot express the plan or one of its names.
        """
