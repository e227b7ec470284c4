"""From the names in a study to what they mean: machines, mappings and cascades, beside the study and on the shelves.

Everything is read once and remembered, with the files that were read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusemax.cascade.ir import Cascade
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.library.load import Library
from fusemax.machine import Machine, machine_of
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import with_changes
from fusemax.source import Document, read_yaml


def cascade_beside(name: str, study: Document) -> Cascade:
    """Return the cascade that *study* names: a path beside the study, or one of ``einsums/``."""
    return Library(Path(study.file).parent).cascade(name)


@dataclass
class Designs:
    """Reads what a study in *folder* names, each file once.

    ``machine_changes`` replace values of machine files by place, by the machine's name.
    """

    folder: Path = field(default_factory=Path)
    machine_changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    _machines: dict[str, Machine] = field(default_factory=dict)
    _mapped: dict[str, Mapped] = field(default_factory=dict)
    _programs: dict[str, Program] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._library = Library(self.folder)

    def machine(self, name: str) -> Machine:
        """Return the machine called *name*."""
        if name not in self._machines:
            machine = self._library.machine(name)
            changes = self.machine_changes.get(name)
            if changes:
                machine = machine_of(with_changes(read_yaml(Path(machine.file)), changes))
            self._machines[name] = machine
            self._read(Path(machine.file))
        return self._machines[name]

    def mapped(self, machine: str, mapping: str, changes: Mapping[str, Any]) -> Mapped:
        """Return the cascade of the mapping called *mapping*, with *changes* of its values, set against *machine*.

        This is the one place where the mapping of a configuration is resolved.
        """
        key = _key(machine, mapping, changes)
        if key not in self._mapped:
            design = self._library.design(self.machine(machine), mapping, changes=changes)
            for path in design.files:
                self._read(path)
            self._mapped[key] = design.mapped
        return self._mapped[key]

    def program(
        self, machine: str, mapping: str, changes: Mapping[str, Any], free: Iterable[str]
    ) -> tuple[Mapped, Program]:
        """Return the mapped cascade and its cost program with the *free* figures left open."""
        mapped, free = self.mapped(machine, mapping, changes), sorted(free)
        key = _key(machine, mapping, changes, free)
        if key not in self._programs:
            self._programs[key] = derive(mapped, self.machine(machine), free)
        return mapped, self._programs[key]

    def _read(self, path: Path) -> None:
        """Remember a file that a result depends on, under the name that a reader knows it by."""
        self.files["/".join(path.parts[-3:])] = path


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, default=str)
