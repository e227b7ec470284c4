"""Kept tiles of different nodes that are never in one place together: those of a ``serial`` nest, unless they stay.

docs/mappings.md, "Room": under ``serial`` a tile is there while its node runs, and beyond only where no loop around both
changes it. The room of a level is that of the fullest moment; a tile that came while another node runs would find none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fusemax.machine import Machine
from fusemax.mapping.lives import moments
from fusemax.mapping.nest import Mapped, Residence
from fusemax.simulate.tile.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Apart:
    """For each kept tile, those of other nodes at its level that must be gone when it comes."""

    gone: Mapping[Residence, tuple[Residence, ...]] = field(default_factory=dict)

    def of(self, residence: Residence) -> tuple[Residence, ...]:
        """Return the tiles that must be gone when one of *residence* comes."""
        return self.gone.get(residence, ())


def apart_of(mapped: Mapped, machine: Machine, geometry: Geometry) -> Apart:
    """Return which tiles of a nest, with its sizes, take turns in one place."""
    nest = geometry.nest
    if nest.schedule != "serial":
        return Apart()
    together: set[tuple[Residence, Residence]] = set()
    for moment in moments(mapped, machine, nest):
        there = [
            tile.residence
            for tile in moment.tiles
            if all(geometry.points((loop,), {}) == 1 for loop in tile.unless)
        ]
        together |= {(one, other) for one in there for other in there}
    kept = [r for r in nest.residences if r.level != machine.outermost and r.buffers]
    return Apart(
        {
            one: tuple(
                other
                for other in kept
                if other.level == one.level
                and (one, other) not in together
                and not one.covers(other.node)
                and not other.covers(one.node)
            )
            for one in kept
        }
    )
