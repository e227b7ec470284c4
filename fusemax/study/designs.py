"""The designs of a study: what its names mean, with changes, each read and derived once; and the files that were read."""

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
from fusemax.source import read_yaml

Changes = Mapping[str, Any]


@dataclass
class Designs:
    """Reads what a study names, from *library*; values of machine files and mappings may be replaced, by place."""

    library: Library
    files: dict[str, Path] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict)

    def machine(self, name: str, changes: Changes | None = None) -> Machine:
        """Return the machine called *name* with *changes* of its file."""
        key = _key("machine", name, changes)
        if key not in self._known:
            machine = self.library.machine(name)
            if changes:
                machine = machine_of(with_changes(read_yaml(Path(machine.file)), changes))
            self._known[key] = machine
            self._note(Path(machine.file))
        return self._known[key]

    def cascade(self, name: str) -> Cascade:
        """Return the cascade called *name*."""
        cascade = self.library.cascade(name)
        self._note(Path(cascade.file))
        return cascade

    def mapped(self, machine: Machine, mapping: str, changes: Changes) -> Mapped:
        """Return the cascade of the mapping called *mapping*, with *changes* of its values, set against *machine*."""
        key = _key("mapped", id(machine), mapping, changes)
        if key not in self._known:
            design = self.library.design(machine, mapping, changes=changes)
            for path in design.files:
                self._note(path)
            self._known[key] = design.mapped
        return self._known[key]

    def program(self, mapped: Mapped, machine: Machine, free: Iterable[str]) -> Program:
        """Return the cost program of *mapped* on *machine* with the *free* figures left open."""
        key = _key("program", id(mapped), id(machine), sorted(free))
        if key not in self._known:
            self._known[key] = derive(mapped, machine, sorted(free))
        return self._known[key]

    def _note(self, path: Path) -> None:
        """Remember a file that a result depends on, under the name that a reader knows it by."""
        if str(path) and not path.name.startswith("<"):
            self.files["/".join(path.parts[-3:])] = path


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, default=str)
