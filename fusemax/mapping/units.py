"""Which unit does which operation: what a unit can do, and the parts of an Einsum that others take (``offload:``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from fusemax.analysis.work import Operation, operations
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.errors import Problem
from fusemax.language.formula import formula_names
from fusemax.language.syntax import Expression
from fusemax.language.value import value_of
from fusemax.machine import Machine
from fusemax.mapping.spec import MappingFile
from fusemax.source import Document, KeyPath

Offload = Mapping[tuple[str, str], Mapping[str, Expression]]


def missing_operations(
    machine: Machine, unit: str, operation: Operation, elsewhere: Collection[str] = ()
) -> list[str]:
    """Return the names of what *unit* lacks to do *operation*; empty when it can. Others do the parts *elsewhere*."""
    offered = {*machine.units[unit].operations, *elsewhere}
    split = any(part.name in elsewhere for part in operation.parts)
    if operation.name in offered and not split:
        return []
    if operation.parts:
        return [part.name for part in operation.parts if part.name not in offered]
    return [operation.name]


def lowered(
    machine: Machine, unit: str, operation: Operation, taken: Collection[str] = ()
) -> tuple[Operation, ...]:
    """Return the operations that *unit* really does for *operation*: itself, or its parts.

    It is done in parts where the unit does not offer it, and where other units take some of the parts (*taken*).
    """
    whole = operation.name in machine.units[unit].operations
    return (operation,) if whole and not any(p.name in taken for p in operation.parts) else operation.parts


def taken_parts(offload: Offload, einsum: str) -> frozenset[str]:
    """Return the operations of *einsum*, or parts of them, that other units take, wholly or not."""
    return frozenset(operation for name, operation in offload if name == einsum)


def offload_of(
    file: MappingFile, document: Document, cascade: Cascade, machine: Machine
) -> tuple[Offload, list[Problem]]:
    """Return, by (Einsum, operation), the part that each other unit does; and every mistake.

    ``offload: {SLN.exp: {sfu: 3/4}}`` leaves the last quarter to the unit that SLN is bound to.
    """
    found: dict[tuple[str, str], Mapping[str, Expression]] = {}
    problems: list[Problem] = []
    einsums = {einsum.name: einsum for einsum in cascade.computed}
    for entry, parts in file.offload.items():
        name, _, operation = entry.partition(".")
        path: KeyPath = ("offload", entry)
        texts = [*_unknown(cascade, einsums, name, operation), *_units(machine, operation, parts)]
        problems += [document.problem(path, text, None, True) for text in texts]
        found[name, operation] = dict(parts)
    return found, problems


def _unknown(cascade: Cascade, einsums: Mapping[str, Einsum], name: str, operation: str) -> Iterator[str]:
    if name not in einsums:
        yield f"{name!r} is no Einsum of this mapping's cascade"
        return
    known = list(_names(operations(cascade, einsums[name])))
    if operation not in known:
        yield f"{name} has no operation {operation!r}; it has: {', '.join(known)}"


def _names(found: Iterable[Operation]) -> Iterator[str]:
    for operation in found:
        yield operation.name
        yield from (part.name for part in operation.parts)


def _units(machine: Machine, operation: str, parts: Mapping[str, Expression]) -> Iterator[str]:
    for unit in parts:
        if unit not in machine.units:
            yield f"{unit!r} is no unit of this machine; there are: {', '.join(machine.units)}"
        elif operation not in machine.units[unit].operations:
            yield f"unit {unit} cannot do {operation!r}"
    known = [value_of(part, {}) for part in parts.values() if not formula_names(part)]
    if sum(known) > 1 or any(value < 0 for value in known):
        listed = ", ".join(f"{value:g}" for value in known)
        yield f"the parts of {operation} are {listed}: more than the whole, or less than none"
