"""Tasks dealt to cores: which iterations of the loops in ``spread`` the busiest core does."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Nest
from fusemax.simulate.tile.bands import Band, area_left, tile_of
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.wanted import BITS

MOST_TASKS = 1 << 24  #: tasks of a nest that are dealt one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The tasks of one core: rows of digits of the loops ``spread``, as the loops run; ``trips`` are the most of each."""

    spread: tuple[str, ...] = ()
    trips: tuple[int, ...] = ()
    tasks: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def strides(self, loops: Sequence[str]) -> dict[str, int]:
        """Return by what the digit of each of *loops* counts in the record of the tasks that those loops tell apart."""
        mine = [loop for loop in self.spread if loop in loops]
        strides: dict[str, int] = {}
        step = 1
        for loop in reversed(mine):
            strides[loop] = step
            step *= self.trips[self.spread.index(loop)]
        return strides

    def record(self, loops: Sequence[str]) -> np.ndarray:
        """Return a bit for each iteration of the spread loops among *loops*: whether one of the core's tasks is in it."""
        strides = self.strides(loops)
        size = 1
        at = np.zeros(len(self.tasks), np.int64)
        for number, loop in enumerate(self.spread):
            if loop in strides:
                size *= self.trips[number]
                at += self.tasks[:, number] * strides[loop]
        bits = np.zeros(-(-size // BITS) * BITS, np.int64)
        bits[at] = 1
        return (bits.reshape(-1, BITS) << np.arange(BITS)).sum(axis=1)


def busiest_core(
    nest: Nest, geometry: Geometry, spread: Sequence[str], cores: int, band: Band | None, loops: Sequence[str]
) -> tuple[Members, int]:
    """Return the tasks of the core that has most to do, and how many cores are busy.

    Tasks go, longest first or in the order of *spread*, each to the core that is free first; a task's length is the points
    of the tiles in which *band*, the condition of the deepest body inside *loops*, leaves any.

    Raises
    ------
    FusemaxError
        When there are more tasks than are dealt one by one.
    """
    tasks, trips = _tasks(geometry, spread)
    order = [loop for loop in loops if loop in spread]
    order += [loop for loop in spread if loop not in order]
    length = _lengths(geometry, spread, tasks, band, loops)
    mine = _dealt(length, cores, nest.deal == "longest_first")
    columns = [list(spread).index(loop) for loop in order]
    members = Members(
        spread=tuple(order), trips=tuple(trips[c] for c in columns), tasks=tasks[mine][:, columns]
    )
    return members, min(cores, len(tasks))


def _tasks(geometry: Geometry, spread: Sequence[str]) -> tuple[np.ndarray, list[int]]:
    """Return the digits of every task in the order of *spread*, and the most iterations of each loop."""
    trips = [geometry.points([loop], {}) for loop in spread]
    box = 1
    for count in trips:
        box *= count
    if box > MOST_TASKS:
        raise FusemaxError(
            f"nest {geometry.nest.name} has {box:,} tasks, more than the simulator deals to cores ({MOST_TASKS:,})\n"
            "  hint: simulate smaller sizes, spread fewer loops, or use 'fusemax cost'"
        )
    digits = np.indices(trips, dtype=np.int64).reshape(len(trips), -1).T
    there = np.ones(len(digits), bool)
    for root in geometry.nest.roots.values():
        low = _starts(geometry, spread, digits, root.name)
        there &= low < geometry.sizes[root.name]
    return digits[there], trips


def _starts(geometry: Geometry, spread: Sequence[str], digits: np.ndarray, root: str) -> np.ndarray:
    """Return the first element of *root* of each task."""
    low = np.zeros(len(digits), np.int64)
    for number, loop in enumerate(spread):
        if geometry.nest.root_of(loop).name == root:
            low += digits[:, number] * geometry.unit(loop)
    return low


def _lengths(
    geometry: Geometry, spread: Sequence[str], tasks: np.ndarray, band: Band | None, loops: Sequence[str]
) -> np.ndarray:
    """Return the points of each task."""
    length = np.ones(len(tasks), np.int64)
    spans: dict[str, np.ndarray] = {}
    for root in geometry.nest.roots.values():
        size = geometry.sizes[root.name]
        low = _starts(geometry, spread, tasks, root.name)
        inside = [loop for loop in spread if geometry.nest.root_of(loop) is root]
        tile = tile_of(geometry, root.name, inside)
        spans[root.name] = np.stack([low, np.minimum(low + tile, size) - 1], axis=1)
        if band is None or root.name not in (band.row, band.column):
            length *= spans[root.name][:, 1] - spans[root.name][:, 0] + 1 if inside else 1
    if band is not None:
        tiles = tile_of(geometry, band.row, loops), tile_of(geometry, band.column, loops)
        both, at = np.unique(np.hstack([spans[band.row], spans[band.column]]), axis=0, return_inverse=True)
        length *= area_left(geometry, band, tiles, both[:, :2], both[:, 2:])[at.ravel()]
    return length


def _dealt(length: np.ndarray, cores: int, longest_first: bool) -> np.ndarray:
    """Return the numbers of the busiest core's tasks, in order."""
    order = np.argsort(-length, kind="stable") if longest_first else np.arange(len(length))
    if cores >= len(length):
        return order[[int(np.argmax(length[order]))]]
    if length.min() == length.max():
        return order[::cores]
    free = [(0, core) for core in range(cores)]
    owner = np.empty(len(length), np.int64)
    for task in order.tolist():
        load, core = free[0]
        owner[task] = core
        heapq.heapreplace(free, (load + int(length[task]), core))
    _, busiest = max(free, key=lambda entry: (entry[0], -entry[1]))
    return np.flatnonzero(owner == busiest)
