"""Whether everything that a mapping keeps has room, at one point."""

from __future__ import annotations

from collections.abc import Sequence

from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.divided import dealt_digits
from fusemax.mapping.nest import Mapped
from fusemax.mapping.refused import too_small
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.room import Stock, capacity_B
from fusemax.simulate.tile.values import Point


def check_room(mapped: Mapped, machine: Machine, point: Point, nests: Sequence[Geometry]) -> None:
    """Raise FusemaxError with every place in which one of *nests* keeps more than fits and may not spill."""
    mistakes: list[str] = []
    for whole in nests:
        stock = Stock.of(mapped, machine, whole.nest)
        for place in sorted(stock.places(), key=lambda name: name == machine.outermost):
            if place in machine.levels and machine.levels[place].size is None:
                continue
            needed = stock.needed_B(point, whole, place)
            memory = machine.lane_memories.get(place)
            lanes = 1.0 if memory is None else lanes_of(machine, point, memory.unit)
            there = capacity_B(point, place, memory, lanes)
            if needed > there and not mapped.spill.get(place):
                parts = stock.parts_B(point, whole, place)
                outside = place == machine.outermost
                divided = bool(dealt_digits(machine, whole.nest, place))
                mistakes.append(
                    too_small(place, whole.nest.name, mapped.name, needed, parts, there, outside, divided)
                )
    if mistakes:
        raise FusemaxError("\n".join(mistakes))


def lanes_of(machine: Machine, point: Point, name: str) -> float:
    """Return the lanes of unit *name*."""
    lanes = 1.0
    for dimension in machine.units[name].shape:
        lanes *= point.figures[f"{name}.{dimension}"]
    return lanes
