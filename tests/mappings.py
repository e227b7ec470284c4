"""Mappings as tests want them: by name, against a machine that is a value."""

from __future__ import annotations

from pathlib import Path

from fusemax.cascade.build import load_cascade
from fusemax.machine import Machine
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import load_mapping_file


def load_mapping(name: str, machine: Machine, machine_path: Path) -> Mapped:
    """Return the mapping called *name*, with the cascade that it names, set against *machine*."""
    file, document = load_mapping_file(name, machine_path)
    return map_onto(load_cascade(file.cascade), machine, file, document)
