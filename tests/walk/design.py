"""A design as plain data, and what it is once it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fusemax.cascade.build import cascade_of as built
from fusemax.cascade.build import load_cascade
from fusemax.cascade.ir import Cascade
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of


@dataclass(frozen=True)
class Design:
    """A design as plain data. ``cascade`` is the name of a shipped one or the data of a file."""

    cascade: str | Mapping[str, Any]
    machine: Mapping[str, Any]
    mapping: Mapping[str, Any]
    sizes: Mapping[str, int]

    def loaded(self) -> tuple[Mapped, Machine]:
        """Return the mapped cascade and its machine; raise ProblemsError where the mapping is refused."""
        machine = machine_of(document_of(json.dumps(self.machine)))
        document = document_of(json.dumps(self.mapping))
        return map_onto(cascade_of(self.cascade), machine, mapping_file_of(document), document), machine

    def as_text(self) -> str:
        """Return the design as YAML, one file after the other."""
        import yaml

        parts = {"machine": self.machine, "mapping": self.mapping, "sizes": dict(self.sizes)}
        if not isinstance(self.cascade, str):
            parts = {"cascade": self.cascade, **parts}
        plain = json.loads(json.dumps(parts))
        return yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=110)


def cascade_of(described: str | Mapping[str, Any]) -> Cascade:
    """Return the cascade that *described* names or holds."""
    if isinstance(described, str):
        return _shipped(described)
    return _own(json.dumps(described))


@lru_cache(maxsize=256)
def _shipped(name: str) -> Cascade:
    return load_cascade(name)


@lru_cache(maxsize=256)
def _own(text: str) -> Cascade:
    return built(document_of(text), "own")
