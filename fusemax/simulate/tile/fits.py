"""Whether everything that a mapping keeps has room, at one point."""

from __future__ import annotations

from collections.abc import Sequence

from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.room import Stock, capacity_B
from fusemax.simulate.tile.values import Point

WHOLE_HINT = "inputs, outputs and what passes between nests are there as a whole; take smaller sizes or a larger 'size'"


def check_room(mapped: Mapped, machine: Machine, point: Point, nests: Sequence[Geometry]) -> None:
    """Raise FusemaxError with every place in which one of *nests* keeps more than fits and may not spill."""
    mistakes: list[str] = []
    for whole in nests:
        stock = Stock.of(mapped, machine, whole.nest)
        over = 0.0
        for place in sorted(stock.places(), key=lambda name: name == machine.outermost):
            if place in machine.levels and machine.levels[place].size is None:
                continue
            needed = stock.occupied_B(point, whole, place)
            memory = machine.lane_memories.get(place)
            lanes = 1.0 if memory is None else lanes_of(machine, point, memory.unit)
            there = capacity_B(point, place, memory, lanes)
            if place == machine.outermost:
                needed += over
            elif mapped.spill.get(place) and machine.around(place) == machine.outermost:
                over = max(0.0, needed - there)
            if needed > there and not mapped.spill.get(place):
                parts = stock.parts_B(point, whole, place)
                mistakes.append(_too_small(mapped, machine, whole, place, needed, there, parts))
    if mistakes:
        raise FusemaxError("\n".join(mistakes))


def _too_small(
    mapped: Mapped, machine: Machine, whole: Geometry, place: str, needed: float, there: float, parts: dict[str, float]
) -> str:  # fmt: skip
    told = ", ".join(f"{name} {size:,.0f} B" for name, size in sorted(parts.items(), key=lambda p: -p[1]))
    hint = WHOLE_HINT if place == machine.outermost else f"use smaller tiles, or keep less at {place}"
    return (
        f"{place} is too small in nest {whole.nest.name} of mapping {mapped.name}: {needed:,.0f} B needed "
        f"({told}), {there:,.0f} B there\n  hint: {hint}"
    )


def lanes_of(machine: Machine, point: Point, name: str) -> float:
    """Return the lanes of unit *name*."""
    lanes = 1.0
    for dimension in machine.units[name].shape:
        lanes *= point.figures[f"{name}.{dimension}"]
    return lanes
