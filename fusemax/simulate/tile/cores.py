"""Tasks dealt to cores: which iterations of the loops in ``spread`` the busiest core does."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.simulate.tile.bands import Band, pairs_by_kind, tile_of
from fusemax.simulate.tile.gaps import Gap
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.listed import trips_of
from fusemax.simulate.tile.visits import Visits
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

    ``bits`` are those of roots whose last tile is short; ``band`` is the condition, with its tiles of rows and columns;
    ``visits`` are the tasks that are done, where they are listed, ``gaps`` the kinds of tiles where a digit has no loop.
    """

    loops: tuple[str, ...]
    cycles: tuple[float, ...]
    bits: Mapping[str, int]
    band: tuple[Band, int, int] | None
    visits: Visits | None = None
    gaps: tuple[Gap, ...] = ()


def busiest_core(
    geometry: Geometry, spread: Sequence[str], cores: int, steps: Sequence[Steps], loops: Sequence[str], in_order: bool
) -> Members:  # fmt: skip
    """Return the tasks of the core that has most to do, in the order of *loops*.

    Tasks go, heaviest first or *in_order* as the loops of *spread* run, each to the core that is free first; a task weighs the
    cycles of all units together, of all *steps*.

    Raises
    ------
    FusemaxError
        When there are more tasks than are dealt one by one.
    """
    tasks, trips = tasks_of(geometry, spread)
    order = [loop for loop in loops if loop in spread]
    order += [loop for loop in spread if loop not in order]
    weight = sum((_weights(geometry, spread, tasks, one) for one in steps), np.zeros(len(tasks)))
    mine = _dealt(weight, cores, not in_order)
    columns = [list(spread).index(loop) for loop in order]
    return Members(spread=tuple(order), trips=tuple(trips[c] for c in columns), tasks=tasks[mine][:, columns])


def tasks_of(geometry: Geometry, spread: Sequence[str]) -> tuple[np.ndarray, list[int]]:
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
    counts, spans = _tiles(geometry, spread, tasks, one)
    tied: set[str] = set()
    if one.visits is not None or one.gaps:
        tied = _listed_roots(geometry, one)
        parts = list(_listed(geometry, spread, tasks, one, tied))
    elif one.band is not None:
        tied = {one.band[0].row, one.band[0].column}
        parts = _banded(geometry, spans, one, len(tasks))
    else:
        parts = [(0, np.ones(len(tasks)))]
    others = [root for root in counts if root not in tied]
    total = np.zeros(len(tasks))
    for cls, times in parts:
        for shorts in product(*([0, 1] if root in one.bits else [0] for root in others)):
            each = times
            kind = cls
            for root, short in zip(others, shorts, strict=True):
                each = each * counts[root][:, short]
                kind |= one.bits.get(root, 0) * short
            total += each * one.cycles[kind]
    return total


def _tiles(
    geometry: Geometry, spread: Sequence[str], tasks: np.ndarray, one: Steps
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return, by root, how many tiles of each task are whole and short, and its first and last element."""
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
    return counts, spans


def _listed_roots(geometry: Geometry, one: Steps) -> set[str]:
    visited = one.visits.loops if one.visits is not None else ()
    return {gap.root for gap in one.gaps} | {geometry.nest.root_of(loop).name for loop in visited}


def _listed(
    geometry: Geometry, spread: Sequence[str], tasks: np.ndarray, one: Steps, roots: Collection[str]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, by class of tiles of *roots*, how many such iterations of *one* stream are done in each task, one by one."""
    loops = [loop for loop in one.loops if geometry.nest.root_of(loop).name in roots]
    trips = trips_of(geometry, loops)
    if math.prod(trips) > MOST_TASKS:
        raise FusemaxError(
            f"nest {geometry.nest.name} has {math.prod(trips):,} iterations of {', '.join(loops)} under conditions, more than"
            f" the simulator deals to cores ({MOST_TASKS:,})\n  hint: simulate smaller sizes, or use 'fusemax cost'"
        )
    digits = (
        np.indices(trips, dtype=np.int64).reshape(len(trips), -1).T if loops else np.zeros((1, 0), np.int64)
    )
    cls, there = np.zeros(len(digits), np.int64), np.ones(len(digits), bool)
    for root in sorted(roots):
        low = _starts(geometry, loops, digits, root)
        there &= low < geometry.sizes[root]
        short = low + tile_of(geometry, root, loops) > geometry.sizes[root]
        cls |= np.where(short, one.bits.get(root, 0), 0)
    for gap in one.gaps:
        cls |= gap.kinds[tuple(digits[:, loops.index(loop)] for loop in gap.loops)] << gap.shift
    if one.visits is not None:
        at = tuple(digits[:, loops.index(loop)] for loop in one.visits.loops)
        there &= one.visits.done[at] if at else bool(one.visits.done.any())
    mine = [loop for loop in spread if loop in loops]
    counts = trips_of(geometry, mine)
    inside = _number(digits, [loops.index(loop) for loop in mine], counts)
    task = _number(tasks, [list(spread).index(loop) for loop in mine], counts)
    for kind in np.unique(cls[there]).tolist():
        yield (
            kind,
            np.bincount(inside[there & (cls == kind)], minlength=math.prod(counts))[task].astype(float),
        )


def _number(digits: np.ndarray, columns: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    """Return the mixed-radix number of some *columns* of *digits*."""
    number = np.zeros(len(digits), np.int64)
    for column, count in zip(columns, counts, strict=True):
        number = number * count + digits[:, column]
    return number


def _banded(
    geometry: Geometry, spans: Mapping[str, np.ndarray], one: Steps, tasks: int
) -> list[tuple[int, np.ndarray]]:
    """Return, by class, how many pairs of tiles of each task hold a point of the band."""
    assert one.band is not None
    row, column = (one.bits.get(root, 0) for root in (one.band[0].row, one.band[0].column))
    pairs = _pairs(geometry, spans, one, tasks)
    return [
        (row * i | column * j, pairs[:, i, j])
        for i in ((0, 1) if row else (0,)) for j in ((0, 1) if column else (0,))
    ]  # fmt: skip


def _pairs(geometry: Geometry, spans: Mapping[str, np.ndarray], one: Steps, tasks: int) -> np.ndarray:
    """Return how many pairs of tiles of each task hold a point of the band: [task, row tile short, column tile short]."""
    assert one.band is not None
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
