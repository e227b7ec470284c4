"""Units that work with one of their lanes, because no ``spatial`` of their bodies names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fusemax.analysis.work import operations
from fusemax.language.syntax import Number
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped, sides


def single_lanes(mapped: Mapped, machine: Machine) -> dict[str, tuple[str, ...]]:
    """Return, by unit of several lanes, the Einsums of which it does one point after the other, though there are several.

    That is what a body without ``spatial`` for the unit says; where it is not meant, the unit is priced too slow.
    """
    found: dict[str, list[str]] = {}
    for nest in mapped.nests:
        for body in nest.bodies:
            for name in body.einsums:
                for index, operation in enumerate(operations(mapped.cascade, mapped.einsum(name))):
                    unit = mapped.bind[name, index]
                    several = nest.digits_of(operation.variables) - set(body.loops)
                    if several and not body.spatial.get(unit) and _has_lanes(machine, unit):
                        mine = found.setdefault(unit, [])
                        mine += [name] if name not in mine else []
    return {unit: tuple(names) for unit, names in found.items()}


def _has_lanes(machine: Machine, unit: str) -> bool:
    """Return whether *unit* has several lanes, as far as its file gives numbers."""
    return any(not isinstance(size, Number) or size.value > 1 for size in machine.units[unit].shape.values())


def across(
    machine: Machine, unit: str, spatial: Mapping[str, str], reduced: Collection[str]
) -> dict[str, str]:
    """Return the digits of *spatial* that run over lanes of *unit*, each with its dimension: others run in time.

    *reduced* are those over which an Einsum adds up, as :func:`turned` says where lanes cannot (``sums`` of a machine).
    """
    sums = machine.units[unit].sums
    return dict(spatial) if sums is None else turned(frozenset(sums), spatial, reduced)


def turned(sums: Collection[str], spatial: Mapping[str, str], reduced: Collection[str]) -> dict[str, str]:
    """Return which of *spatial* run over lanes: of the *reduced* digits only those along dimensions of *sums*.

    Where nothing else runs along a dimension then, and several digits run along another, the first of these does: what is
    made lies either way round.

    >>> turned((), {"m0": "rows", "p0": "columns", "e": "columns"}, {"m0"})
    {'p0': 'rows', 'e': 'columns'}
    >>> turned(("rows",), {"m0": "rows", "p0": "columns", "e": "columns"}, {"m0"})
    {'m0': 'rows', 'p0': 'columns', 'e': 'columns'}
    """
    found = {d: along for d, along in spatial.items() if d not in reduced or {*sides(along)} <= {*sums}}
    for empty in dict.fromkeys(along for along in spatial.values() if along not in found.values()):
        along = [*found.values()]
        first = next((digit for digit in found if along.count(found[digit]) > 1), None)
        if first is not None:
            found[first] = empty
    return found


def remarks(mapped: Mapped, machine: Machine) -> dict[str, str]:
    """Return what there is to say of each unit that works with one of its lanes, in words."""
    return {
        unit: f"one lane in {', '.join(einsums)}: no 'spatial' for {unit} there"
        for unit, einsums in single_lanes(mapped, machine).items()
    }
