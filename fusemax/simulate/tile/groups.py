"""Cores that share a level in groups: a nest as groups do it, and as the first core of each group does.

What comes to the level that a group shares is counted in the nest without the loops side by side: these run inside its bodies,
as if a group were one core. The clock runs for a first core alone, on which nothing is shorter than on others of its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.groups import as_groups, shared_level
from fusemax.mapping.nest import Mapped, Nest
from fusemax.simulate.tile.cores import Members, tasks_of
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.values import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The groups of a nest at one point.

    Attributes
    ----------
    level
        What a group shares.
    beside
        The loops that run side by side on its cores.
    count
        How many groups there are.
    geometry
        The nest as groups do it.
    first
        What the first core of each group does: each loop side by side has one iteration.
    """

    level: str
    beside: tuple[str, ...]
    count: int
    geometry: Geometry
    first: Geometry

    @property
    def nest(self) -> Nest:
        """The nest as groups do it."""
        return self.geometry.nest

    def of_group(self, whole: Geometry, mine: Members | None) -> Members | None:
        """Return the tasks of all cores of a group whose first core does *mine*, in the nest of *whole*; None: all tasks."""
        if mine is None:
            return None
        kept = [n for n, loop in enumerate(mine.spread) if loop not in self.beside]
        tasks, trips = tasks_of(whole, mine.spread)
        wanted = {tuple(row) for row in mine.tasks[:, kept].tolist()}
        inside = np.array([tuple(row) in wanted for row in tasks[:, kept].tolist()], bool)
        return Members(spread=mine.spread, trips=tuple(trips), tasks=tasks[inside])

    def as_group(self, mine: Members | None) -> Members | None:
        """Return the tasks of the group whose first core does *mine*, in the nest as groups do it; None: all tasks."""
        kept = [] if mine is None else [n for n, x in enumerate(mine.spread) if x not in self.beside]
        if mine is None or not kept:
            return None
        named = (mine.spread[n] for n in kept), (mine.trips[n] for n in kept)
        return Members(spread=tuple(named[0]), trips=tuple(named[1]), tasks=mine.tasks[:, kept])


def groups_in(mapped: Mapped, machine: Machine, whole: Geometry, point: Point) -> Groups | None:
    """Return the groups of the nest of *whole* at *point*; None where it keeps nothing at a level that groups share.

    Raises
    ------
    FusemaxError
        When groups are not equal, or more iterations run side by side than a group has cores.
    """
    for level in filter(machine.of_groups, machine.levels):
        if point.figures["replicas"] % point.figures[f"{level}.shared_by"]:
            raise FusemaxError(
                f"{point.figures[f'{level}.shared_by']:g} cores share {level}, which does not divide all "
                f"{point.figures['replicas']:g}\n  hint: change {level}.shared_by or replicas"
            )
    nest = whole.nest
    level = shared_level(machine, nest)
    if level is None:
        return None
    cores, trips = int(point.figures[f"{level}.shared_by"]), whole.points(nest.beside, {})
    if trips > cores:
        raise FusemaxError(
            f"nest {nest.name} of mapping {mapped.name} has {trips} iterations side by side, and {level} is shared by {cores}"
            " cores\n  hint: cut the loops under side_by_side by the cores of a group"
        )
    return Groups(
        level=level, beside=nest.beside, count=int(point.figures["replicas"]) // cores,
        geometry=replace(whole, nest=as_groups(nest)), first=_first(whole, nest.beside),
    )  # fmt: skip


def _first(whole: Geometry, beside: Sequence[str]) -> Geometry:
    """Return what is left of *whole* where each of the loops *beside* stands at its first iteration."""
    found = whole
    for loop in beside:
        root, unit = found.nest.root_of(loop), found.unit(loop)
        size = found.sizes[root.name]
        turns, rest = divmod(size, unit * found.tiles[loop]) if loop in found.tiles else (0, size)
        left = {**found.sizes, root.name: turns * unit + min(rest, unit)}
        tiles = {**found.tiles, loop: 1} if loop in found.tiles else found.tiles
        found = replace(found, sizes=left, tiles=tiles)
    return found
