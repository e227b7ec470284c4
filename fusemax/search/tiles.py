"""Sizes of tiles to try: for each rank that is cut, what lanes, blocks and rooms make different.

An outer tile changes nothing but the number of blocks, so that of all sizes only the smallest with n blocks is tried. A tile
inside a body is tried at multiples of the lanes, at powers of two and at whole parts of its rank, ragged ones included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod

import numpy as np

from fusemax.search.facts import Facts
from fusemax.search.shapes import Skeleton
from fusemax.search.useful import least_size

POINTS = 16_000  #: tilings that one grid holds at most
ALL = 24  #: ranks of up to this size are tried at every tile
BLOCKS = 24  #: numbers of blocks that are all tried; larger ones by steps


@dataclass(frozen=True, slots=True)
class Axis:
    """One choice: of the size of an innermost tile (``blocks`` false), or of the number of blocks of the rank.

    Without a rank: of the part of an operation that a unit takes.
    """

    rank: str
    digit: str
    values: tuple[int, ...]
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Tilings:
    """A grid of tilings: int64[points] by the name of each tile, and the choices that they come from."""

    axes: tuple[Axis, ...]
    sizes: Mapping[str, np.ndarray]
    chosen: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    @property
    def points(self) -> int:
        """The number of tilings."""
        return prod(len(axis.values) for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values on each axis; points are counted with the last axis fastest."""
        return tuple(len(axis.values) for axis in self.axes)

    def at(self, point: int) -> dict[str, int]:
        """Return the tile sizes at one point."""
        return {name: int(values[point]) for name, values in self.sizes.items()}

    def along(self) -> dict[str, np.ndarray]:
        """Return the size of each tile along the axes that it depends on: float64, of length 1 along all others.

        A number of blocks makes a size together with the tile inside of it.
        """
        found: dict[str, np.ndarray] = {}
        for axis in self.axes:
            mine = [
                one == axis or (axis.blocks and one.rank == axis.rank and not one.blocks) for one in self.axes
            ]
            wanted = tuple(slice(None) if one else slice(0, 1) for one in mine)
            found[axis.digit] = self.sizes[axis.digit].reshape(self.shape)[wanted].astype(np.float64)
        return found


def lane_counts(facts: Facts) -> tuple[int, ...]:
    """Return the different extents of all units' dimensions, the largest first."""
    return tuple(sorted({size for dims in facts.lanes.values() for size in dims.values()}, reverse=True))


def inner_sizes(facts: Facts, size: int) -> tuple[int, ...]:
    """Return the sizes to try for a tile inside a body, of a rank of *size*."""
    if size <= ALL:
        return tuple(range(1, size + 1))
    found = {size, 1}
    found |= {2**k for k in range(1, 13)}
    found |= {
        lanes * times for lanes in lane_counts(facts) for times in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)
    }
    found |= {ceil(size / k) for k in range(2, 9)}
    return tuple(sorted(value for value in found if 1 <= value <= size))


def block_counts(tiles: int) -> tuple[int, ...]:
    """Return the numbers of blocks to try for so many tiles."""
    found = {n for n in range(1, min(tiles, BLOCKS) + 1)} | {tiles}
    step = float(BLOCKS)
    while step < tiles:
        step *= 1.15
        found.add(min(tiles, ceil(step)))
    smallest: dict[int, int] = {}
    for n in sorted(found):
        smallest.setdefault(ceil(tiles / n), n)
    return tuple(smallest.values())


def axes_of(facts: Facts, skeleton: Skeleton, fixed: Mapping[str, int]) -> tuple[Axis, ...]:
    """Return the choices of tiles that *skeleton* leaves open; *fixed* parts of ranks are given."""
    return axes_for(facts, skeleton.cuts, skeleton.einsums, fixed)


def axes_for(
    facts: Facts, cuts: Mapping[str, int], einsums: Sequence[str], fixed: Mapping[str, int]
) -> tuple[Axis, ...]:
    """Return the choices of tiles of a phase that does *einsums*, whose ranks have so many digits inside the outermost."""
    axes: list[Axis] = []
    for rank, count in cuts.items():
        size = facts.sizes[rank]
        digits = facts.digits(rank, count)
        inner = digits[-1].upper()
        axes.append(Axis(rank, inner, allowed(facts, inner, size) or inner_sizes(facts, size)))
        if count == 2:
            outer = digits[1].upper()
            given = allowed(facts, outer, size)
            axes.append(Axis(rank, outer, given or block_counts(size), blocks=not given))
    used = {v for name in einsums for v in facts.carried[name]}
    for part in facts.open_parts:
        rank = next(rank for rank in facts.ranks if part in facts.parts(rank))
        if part in fixed:
            values: tuple[int, ...] = (fixed[part],)
        elif not used & {one.lower() for one in facts.parts(rank)}:
            values = (1,)
        else:
            least = least_size(facts, part)  # with a shorter tile a condition would hold nowhere
            some = allowed(facts, part, facts.sizes[rank]) or inner_sizes(facts, facts.sizes[rank])
            values = tuple(value for value in some if value >= least) or some
        axes.append(Axis(rank, part, values))
    return narrowed(axes, liked=liked(facts))


def allowed(facts: Facts, tile: str, size: int) -> tuple[int, ...]:
    """Return the sizes that the user leaves for *tile*, of a rank of *size*; none where all are open."""
    return tuple(sorted({min(one, size) for one in facts.within.tiles.get(tile, ())}))


def liked(facts: Facts) -> set[int]:
    """Return the sizes of tiles that fill lanes once or some times."""
    return {lanes * times for lanes in lane_counts(facts) for times in (1, 2, 3, 4, 5, 6, 8, 10, 12)}


def narrowed(axes: Sequence[Axis], most: int = POINTS, liked: Collection[int] = ()) -> tuple[Axis, ...]:
    """Return *axes* with every second value of the longest dropped until a grid of them has at most so many points.

    Of sizes of tiles those that are *liked* stay as long as there are others.
    """
    found = list(axes)
    while prod(len(axis.values) for axis in found) > most:
        longest = max(range(len(found)), key=lambda n: len(found[n].values))
        axis = found[longest]
        others = [value for value in axis.values if axis.blocks or value not in liked]
        if len(others) > 1 and len(others) < len(axis.values):
            kept = {*axis.values} - {*others[::2]}
            values = tuple(value for value in axis.values if value in kept)
        else:
            values = axis.values[::2] if (len(axis.values) % 2) else (axis.values[0], *axis.values[1::2])
        found[longest] = Axis(axis.rank, axis.digit, tuple(dict.fromkeys(values)), axis.blocks)
    return tuple(found)


def tilings(facts: Facts, axes: Sequence[Axis]) -> Tilings:
    """Return the grid of all choices on *axes*."""
    columns = [np.array(axis.values, dtype=np.int64) for axis in axes]
    flat = [mesh.ravel() for mesh in np.meshgrid(*columns, indexing="ij")] if columns else list[np.ndarray]()
    sizes: dict[str, np.ndarray] = {}
    for axis, values in zip(axes, flat, strict=True):
        if not axis.blocks:
            sizes[axis.digit] = values
    for axis, values in zip(axes, flat, strict=True):
        if axis.blocks:
            inner = sizes[next(a.digit for a in axes if a.rank == axis.rank and not a.blocks)]
            tiles = -(-facts.sizes[axis.rank] // inner)
            sizes[axis.digit] = -(-tiles // np.minimum(values, tiles))
    chosen = {axis.digit: values for axis, values in zip(axes, flat, strict=True)}
    return Tilings(tuple(axes), sizes, chosen)


def refined_axes(facts: Facts, grid: Tilings, point: int, fixed: Mapping[str, int]) -> tuple[Axis, ...]:
    """Return narrower axes around a point of *grid*: every number of blocks, and multiples of lanes between its neighbours."""
    narrow: list[Axis] = []
    for axis in grid.axes:
        value = int(grid.chosen[axis.digit][point])
        place = axis.values.index(value)
        low = axis.values[max(0, place - 1)]
        high = axis.values[min(len(axis.values) - 1, place + 1)]
        if axis.blocks:
            found: Iterable[int] = _between(low, high, value, 32)
        elif (
            not axis.rank or axis.digit in fixed or len(axis.values) == 1 or axis.digit in facts.within.tiles
        ):
            found = axis.values
        else:
            size = facts.sizes[axis.rank]
            found = {value, low, high}
            for lanes in lane_counts(facts):
                found |= set(range(lanes * (low // lanes + 1), min(high, low + 16 * lanes), lanes))
            found |= {
                ceil(size / k) for k in _between(ceil(size / high), ceil(size / low), ceil(size / value), 8)
            }
        narrow.append(Axis(axis.rank, axis.digit, tuple(sorted(set(found))), axis.blocks))
    return narrowed(narrow, liked=liked(facts))


def _between(low: int, high: int, value: int, most: int) -> set[int]:
    """Return up to about *most* whole numbers from *low* to *high*, those next to *value* among them."""
    step = max(1, (high - low) // most)
    return {
        n
        for n in (*range(low, high + 1, step), *range(value - 4, value + 5), high)
        if low <= n <= high and n > 0
    }


def seeds(facts: Facts, axes: Sequence[Axis]) -> list[dict[str, int]]:
    """Return a few tilings from which bindings are guessed: tiles as large as lanes, as two rows of lanes, and whole."""
    found: list[dict[str, int]] = []
    inner = [axis for axis in axes if not axis.blocks]
    counts = lane_counts(facts)
    wanted = [*((size,) * len(inner) for size in counts[:3]), (1 << 40,) * len(inner)]
    if len(inner) > 1 and len(counts) > 1:
        wanted += list(product(counts[:2], repeat=len(inner)))[:8]
    for sizes in wanted:
        tiling = {axis.digit: _nearest(axis.values, size) for axis, size in zip(inner, sizes, strict=True)}
        for axis in axes:
            if axis.blocks:
                tiling[axis.digit] = 1
        if tiling not in found:
            found.append(tiling)
    return found


def _nearest(values: Sequence[int], wanted: int) -> int:
    below = [value for value in values if value <= wanted]
    return below[-1] if below else values[0]
