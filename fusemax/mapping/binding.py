"""Which unit does what: the ``bind:`` and ``offload:`` of a mapping set against cascade and machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.analysis.work import Operation, operations
from fusemax.cascade.ir import Cascade
from fusemax.language.syntax import Expression, Number
from fusemax.machine import Machine
from fusemax.mapping.notes import Notes
from fusemax.mapping.spec import MappingFile
from fusemax.mapping.units import Offload, missing_operations, offload_of
from fusemax.source import KeyPath


@dataclass(frozen=True, slots=True)
class Bound:
    """The unit of each (Einsum, operation index), and the parts that other units do, by (Einsum, operation)."""

    bind: Mapping[tuple[str, int], str]
    offload: Offload


class Binding:
    """Reads what is bound where; mistakes go to *notes*."""

    def __init__(self, cascade: Cascade, machine: Machine, file: MappingFile, notes: Notes) -> None:
        self.machine, self.file, self.notes = machine, file, notes
        self.cascade = cascade
        self.todo = {e.name: operations(cascade, e) for e in cascade.computed}
        self.bind: dict[tuple[str, int], str] = {}
        self.parts: dict[tuple[str, str], str] = {}
        self.places: dict[tuple[str, int], KeyPath] = {}

    def bound(self) -> Bound:
        """Return what is bound where. Entries such as ``SLN.exp`` are an operation of SLN, or a part of one."""
        for unit, entries in self.file.bind.items():
            known = self.notes.known(
                unit, self.machine.units, "unit of this machine", ("bind", unit), key=True
            )
            for position, entry in enumerate(entries if known else ()):
                self._entry(unit, entry, ("bind", unit, position))
        self._complete()
        offload, mistakes = offload_of(self.file, self.notes.document, self.cascade, self.machine)
        self.notes.problems.extend(mistakes)
        for (name, operation), unit in self.parts.items():
            if (name, operation) in offload:
                text = f"{name}.{operation} is bound to {unit} already"
                self.notes.fail(("offload", f"{name}.{operation}"), text, "remove one of both", key=True)
        whole: dict[tuple[str, str], Mapping[str, Expression]] = {
            part: {unit: Number(1.0)} for part, unit in self.parts.items()
        }
        bound = Bound(self.bind, {**whole, **offload})
        self._able(bound.offload)
        return bound

    def _entry(self, unit: str, entry: str, path: KeyPath) -> None:
        name, _, operation = entry.partition(".")
        if not self.notes.known(name, self.todo, "Einsum of this mapping's cascade", path):
            return
        wanted = [i for i, o in enumerate(self.todo[name]) if operation in ("", o.name)]
        if operation and not wanted:
            self._part(unit, name, operation, path)
        for index in wanted:
            if (name, index) in self.bind:
                text = f"{name} is bound to {self.bind[name, index]} already"
                self.notes.fail(path, text, "an Einsum has one unit")
                continue
            self.bind[name, index] = unit
            self.places[name, index] = path

    def _part(self, unit: str, name: str, operation: str, path: KeyPath) -> None:
        """Bind a part of an operation that is made of others (``exp`` of ``sub_exp``)."""
        parts = [part.name for whole in self.todo[name] for part in whole.parts]
        if operation not in parts:
            known = ", ".join((*(o.name for o in self.todo[name]), *parts))
            self.notes.fail(path, f"{name} has no operation {operation!r}", f"it has: {known}")
            return
        if (name, operation) in self.parts:
            text = f"{name}.{operation} is bound to {self.parts[name, operation]} already"
            self.notes.fail(path, text, "a part has one unit")
            return
        if operation not in self.machine.units[unit].operations:
            text = f"unit {unit} cannot do {operation!r}, which {name} needs"
            known = ", ".join(self.machine.units[unit].operations)
            self.notes.fail(path, text, f"it does: {known}")
        self.parts[name, operation] = unit

    def _complete(self) -> None:
        """Note operations without a unit. One whose parts all have units needs none itself: it takes the last part's."""
        missing: list[str] = []
        for name, todo in self.todo.items():
            for index, operation in enumerate(todo):
                if (name, index) in self.bind:
                    continue
                units = [self.parts.get((name, part.name)) for part in operation.parts]
                if units and None not in units:
                    self.bind[name, index] = str(units[-1])
                    continue
                missing.append(f"{name} ({operation.name})")
        if missing:
            text = f"no unit is bound to {', '.join(missing)}"
            self.notes.fail(("bind",), text, f"add them to: {', '.join(self.machine.units)}", key=True)

    def _able(self, offload: Offload) -> None:
        """Note operations that their unit lacks, parts that other units take aside."""
        for (name, index), path in self.places.items():
            unit, operation = self.bind[name, index], self.todo[name][index]
            for missing in missing_operations(
                self.machine, unit, operation, _elsewhere(name, operation, offload)
            ):
                text = f"unit {unit} cannot do {missing!r}, which {name} needs"
                known = ", ".join(self.machine.units[unit].operations)
                hint = f"it does: {known}; bind {name} to another unit or add the operation"
                self.notes.fail(path, text, hint)


def _elsewhere(name: str, operation: Operation, offload: Offload) -> frozenset[str]:
    """Return the parts of *operation* that other units do wholly."""
    whole = Number(1.0)
    return frozenset(
        part.name
        for part in (operation, *operation.parts)
        if list(offload.get((name, part.name), {}).values()) == [whole]
    )
