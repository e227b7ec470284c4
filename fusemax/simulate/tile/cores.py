"""Tasks dealt to cores: which iterations of the loops in ``spread`` the busiest core does."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Nest
from fusemax.simulate.tile.bands import Band, pairs_by_kind, tile_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What one stream does on a unit: its loops, its cycles by class of tile, and what tells classes and tasks apart.

    ``bits`` are those of roots whose last tile is short; ``band`` is the condition, with its tiles of rows and columns.
    """

    loops: tuple[str, ...]
    cycles: tuple[float, ...]
    bits: Mapping[str, int]
    band: tuple[Band, int, int] | None


def busiest_core(
    nest: Nest, geometry: Geometry, spread: Sequence[str], cores: int, steps: Sequence[Steps], loops: Sequence[str]
) -> Members:  # fmt: skip
    """Return the tasks of the core that has most to do, in the order of *loops*.

    Tasks go, heaviest first, each to the core that is free first (those that a mask makes unequal in the order of *spread*, if
    the nest says so); a task weighs the cycles of all units together, of all *steps*.

    Raises
    ------
    FusemaxError
        When there are more tasks than are dealt one by one.
    """
    tasks, trips = _tasks(geometry, spread)
    order = [loop for loop in loops if loop in spread]
    order += [loop for loop in spread if loop not in order]
    weight = sum((_weights(geometry, spread, tasks, one) for one in steps), np.zeros(len(tasks)))
    in_order = nest.deal == "in_order" and any(one.band is not None for one in steps)
    mine = _dealt(weight, cores, not in_order)
    columns = [list(spread).index(loop) for loop in order]
    return Members(spread=tuple(order), trips=tuple(trips[c] for c in columns), tasks=tasks[mine][:, columns])


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


def _weights(geometry: Geometry, spread: Sequence[str], tasks: np.ndarray, one: Steps) -> np.ndarray:
    """Return the cycles of each task in *one* stream's steps: how many there are of each class, times its cycles."""
    counts: dict[str, np.ndarray] = {}
    spans: dict[str, np.ndarray] = {}
    for root in {geometry.nest.root_of(loop).name for loop in (*spread, *one.loops)}:
        size = geometry.sizes[root]
        low = _starts(geometry, spread, tasks, root)
        inside = [loop for loop in spread if geometry.nest.root_of(loop).name == root]
        spans[root] = np.stack([low, np.minimum(low + tile_of(geometry, root, inside), size) - 1], axis=1)
        tile = tile_of(geometry, root, one.loops)
        count = -(-(spans[root][:, 1] - low + 1) // tile)
        short = (spans[root][:, 1] == size - 1) & (size % tile > 0) & (root in one.bits)
        counts[root] = np.stack([count - short, short], axis=1)
    pairs = _pairs(geometry, spans, one, len(tasks))
    row, column = ("", "") if one.band is None else (one.band[0].row, one.band[0].column)
    total = np.zeros(len(tasks))
    for cls, cycles in enumerate(one.cycles[: 1 << len(one.bits)]):
        short_of = {root: int(bool(cls & one.bits.get(root, 0))) for root in {*counts, row, column}}
        times = np.ones(len(tasks)) if one.band is None else pairs[:, short_of[row], short_of[column]]
        for root, count in counts.items():
            times = times if root in (row, column) else times * count[:, short_of[root]]
        total += times * cycles
    return total


def _pairs(geometry: Geometry, spans: Mapping[str, np.ndarray], one: Steps, tasks: int) -> np.ndarray:
    """Return how many pairs of tiles of each task hold a point of the band: [task, row tile short, column tile short]."""
    if one.band is None:
        return np.ones((tasks, 1, 1))
    band, tall, wide = one.band
    whole = {root: np.tile([0, geometry.sizes[root] - 1], (tasks, 1)) for root in (band.row, band.column)}
    both = np.hstack([spans.get(band.row, whole[band.row]), spans.get(band.column, whole[band.column])])
    each, at = np.unique(both, axis=0, return_inverse=True)
    ends = [
        geometry.sizes[root] - 1 if root in one.bits and geometry.sizes[root] % tile else -1
        for root, tile in ((band.row, tall), (band.column, wide))
    ]
    return pairs_by_kind(band, (tall, wide), each[:, :2], each[:, 2:], ends)[at.ravel()]


def _dealt(weight: np.ndarray, cores: int, longest_first: bool) -> np.ndarray:
    """Return the numbers of the busiest core's tasks, in order."""
    order = np.argsort(-weight, kind="stable") if longest_first else np.arange(len(weight))
    if cores >= len(weight):
        return order[[int(np.argmax(weight[order]))]]
    if weight.min() == weight.max():
        return order[::cores]
    free = [(0.0, core) for core in range(cores)]
    owner = np.empty(len(weight), np.int64)
    for task in order.tolist():
        load, core = free[0]
        owner[task] = core
        heapq.heapreplace(free, (load + float(weight[task]), core))
    _, busiest = max(free, key=lambda entry: (entry[0], -entry[1]))
    return np.flatnonzero(owner == busiest)
