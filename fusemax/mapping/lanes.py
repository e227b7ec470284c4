"""Units that work with one of their lanes, because no ``spatial`` of their bodies names them."""

from __future__ import annotations

from fusemax.analysis.work import operations
from fusemax.language.syntax import Number
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped


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


def remarks(mapped: Mapped, machine: Machine) -> dict[str, str]:
    """Return what there is to say of each unit that works with one of its lanes, in words."""
    return {
        unit: f"one lane in {', '.join(einsums)}: no 'spatial' for {unit} there"
        for unit, einsums in single_lanes(mapped, machine).items()
    }
