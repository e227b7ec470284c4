"""A design: a cascade on a machine under a mapping, checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fusemax.cascade.ir import Cascade
from fusemax.library.digest import digest_of
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped


@dataclass(frozen=True, kw_only=True)
class Design:
    """A cascade on a machine under a mapping.

    Attributes
    ----------
    cascade
        As it was given; that of ``mapped`` has its batch ranks written out and views gone.
    machine
        The machine, with the figures that were changed.
    mapped
        The mapping, set against both.
    names
        What the cascade, the machine and the mapping are called.
    files
        The files that were read for it, in the same order; what came from text or values has none.
    """

    cascade: Cascade
    machine: Machine
    mapped: Mapped
    names: tuple[str, str, str]
    files: tuple[Path, ...] = ()

    @cached_property
    def digest(self) -> str:
        """The name of its content, in hexadecimal: equal for designs that cost the same."""
        return digest_of(self.cascade, self.machine, self.mapped)

    def __str__(self) -> str:
        cascade, machine, mapping = self.names
        return f"{cascade} on {machine}, mapping {mapping}"
