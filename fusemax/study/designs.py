"""From the names in a study to what they mean: machines, mappings and cascades, beside the study and on the shelves.

Everything is read once and remembered, with the files that were read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import load_mapping_file, mapping_file_of, with_changes
from fusemax.shipped import find_machine, machines, shipped
from fusemax.source import Document, read_yaml

ENDINGS = (".yaml", ".yml")


def beside(name: str, folder: Path, shelf: Iterable[str] = ()) -> str:
    """Return the path of the file or folder *name* in *folder* where there is one, else *name* as it is.

    A name on the *shelf* that is not written as a path stays a name, so that it means the same in every folder.
    """
    own = folder / name
    if Path(name).suffix not in ENDINGS and name in shelf:
        return name
    is_there = own.is_file() or (own / "machine.yaml").is_file()
    return str(own) if is_there else name


def cascade_beside(name: str, study: Document) -> Cascade:
    """Return the cascade that *study* names: a file beside the study, else one of ``einsums/``."""
    return load_cascade(beside(name, Path(study.file).parent, shipped("einsums")))


def load_cascade_for(name: str, mapping_file: str) -> Cascade:
    """Return the cascade that the mapping in *mapping_file* names: a file beside it, else one of ``einsums/``."""
    return load_cascade(beside(name, Path(mapping_file).parent, shipped("einsums")))


@dataclass
class Designs:
    """Reads what a study in *folder* names, each file once.

    ``machine_changes`` replace values of machine files by place, by the machine's name.
    """

    folder: Path = field(default_factory=Path)
    machine_changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    _machines: dict[str, tuple[Machine, Path]] = field(default_factory=dict)
    _mapped: dict[str, Mapped] = field(default_factory=dict)
    _programs: dict[str, Program] = field(default_factory=dict)

    def machine(self, name: str) -> tuple[Machine, Path]:
        """Return the machine called *name* and its file."""
        if name not in self._machines:
            path = find_machine(beside(name, self.folder, machines()))
            document = read_yaml(path)
            changes = self.machine_changes.get(name)
            self._machines[name] = (
                machine_of(with_changes(document, changes) if changes else document),
                path,
            )
            self._read(path)
        return self._machines[name]

    def mapped(self, machine: str, mapping: str, changes: Mapping[str, Any]) -> Mapped:
        """Return the cascade of the mapping called *mapping*, with *changes* of its values, set against *machine*.

        This is the one place where the mapping of a configuration is resolved.
        """
        key = _key(machine, mapping, changes)
        if key not in self._mapped:
            described, path = self.machine(machine)
            file, document = load_mapping_file(beside(mapping, self.folder, shipped("arch")), path)
            if changes:
                document = with_changes(document, changes)
                file = mapping_file_of(document)
            self._mapped[key] = map_onto(
                load_cascade_for(file.cascade, document.file), described, file, document
            )
            self._read(Path(document.file))
            self._read(Path(self._mapped[key].cascade.file))
        return self._mapped[key]

    def program(
        self, machine: str, mapping: str, changes: Mapping[str, Any], free: Iterable[str]
    ) -> tuple[Mapped, Program]:
        """Return the mapped cascade and its cost program with the *free* figures left open."""
        mapped, free = self.mapped(machine, mapping, changes), sorted(free)
        key = _key(machine, mapping, changes, free)
        if key not in self._programs:
            self._programs[key] = derive(mapped, self.machine(machine)[0], free)
        return mapped, self._programs[key]

    def _read(self, path: Path) -> None:
        """Remember a file that a result depends on, under the name that a reader knows it by."""
        self.files["/".join(path.parts[-3:])] = path


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, default=str)
