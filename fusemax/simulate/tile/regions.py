"""Conditions of other kinds than a band: masks inside a chunk, with steps, of three ranks in one body.

Where no loop moves what they name, each task has the same points left, but for short last tiles: all tasks are done, and only
useful work is less. Else the iterations that are done are listed (visits.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from fusemax.cascade.ir import Einsum
from fusemax.mapping.nest import Body, Mapped
from fusemax.simulate.tile.bands import Band, band_of, tile_of
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.grid import Grid
from fusemax.simulate.tile.values import Point
from fusemax.simulate.tile.visits import Visits, left_by, named_digits, named_roots, visits_of

MOST_POINTS = 1 << 24  #: of the ranks that conditions of one Einsum name, in one task


@dataclass(frozen=True, slots=True)
class Region:
    """The conditions of each Einsum of a body: for each kind of task how many there are and which points are left.

    A kind has a length for each rank that is named; ``left`` are arrays of bool with an axis for each of ``roots``.
    """

    roots: tuple[str, ...]
    kinds: tuple[tuple[tuple[int, ...], int], ...]
    left: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a body: a band, or what single Einsums have left and, where not all iterations are done, which are.

    ``regions`` has Einsums under conditions of other kinds than ``band`` of which each task leaves the same points, but for
    short tiles.
    """

    band: Band | None = None
    regions: Mapping[str, Region] = field(default_factory=dict)
    visits: Visits | None = None


def conditions_of(mapped: Mapped, geometry: Geometry, point: Point, body: Body) -> Conditions:
    """Return the conditions of *body*.

    Raises
    ------
    FusemaxError
        For a condition that is no sum of ranks and sizes, or ties more points than are listed.
    """
    masked = [e for e in map(mapped.einsum, body.einsums) if e.conditions]
    if not masked:
        return Conditions()
    band = plain_band(mapped, geometry, point, body)
    if band is not None:
        return Conditions(band)
    regions = {e.name: r for e in masked if (r := _region(mapped, geometry, point, body, e)) is not None}
    if len(regions) == len(masked) and any(all(a.any() for a in r.left) for r in regions.values()):
        return Conditions(None, regions)
    return Conditions(None, regions, visits_of(mapped, geometry, point, body))


def plain_band(mapped: Mapped, geometry: Geometry, point: Point, body: Body) -> Band | None:
    """Return the band between two whole ranks that the conditions of *body* are; None where they are none, or others."""
    masked = [e for e in map(mapped.einsum, body.einsums) if e.conditions]
    plain = len({e.conditions for e in masked}) == 1 and _is_plain(geometry, masked[0])
    return band_of(mapped, geometry, point, body) if plain else None


def _is_plain(geometry: Geometry, einsum: Einsum) -> bool:
    """Return whether the conditions tie two ranks, each as a whole."""
    named = named_digits(geometry, einsum)
    roots = [geometry.nest.roots[name] for name in named_roots(geometry, einsum)]
    return len(roots) == 2 and all({d.name for d in root.digits} <= named for root in roots)


def _region(mapped: Mapped, geometry: Geometry, point: Point, body: Body, einsum: Einsum) -> Region | None:
    """Return the region of *einsum*; None where a loop moves what it names, or where one task has too many points."""
    roots = named_roots(geometry, einsum)
    moving = {loop for loop in body.loops if geometry.points([loop], {}) > 1}
    if moving & named_digits(geometry, einsum) or not roots:
        return None
    kinds = list(_kinds(geometry, roots, body.loops))
    if any(math.prod(lengths) > MOST_POINTS for lengths, _ in kinds):
        return None
    grids = [_grid(geometry, roots, lengths) for lengths, _ in kinds]
    left = tuple(left_by(mapped, geometry, point, einsum, grid) for grid in grids)
    return Region(roots, tuple(kinds), left)


def _kinds(
    geometry: Geometry, roots: Collection[str], loops: Collection[str]
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the lengths of the tiles of *roots* inside *loops*, whole or short, with how many such tiles there are."""
    choices: list[list[tuple[int, int]]] = []
    for root in roots:
        size, tile = geometry.sizes[root], tile_of(geometry, root, loops)
        whole = [(tile, size // tile)] if size >= tile else []
        choices.append(whole + ([(size % tile, 1)] if size % tile else []))
    for chosen in itertools.product(*choices):
        yield tuple(length for length, _ in chosen), math.prod(times for _, times in chosen)


def _grid(geometry: Geometry, roots: tuple[str, ...], lengths: tuple[int, ...]) -> Grid:
    """Return all points of a task with tiles of *lengths*, each from its tile's start."""
    values: dict[str, np.ndarray] = {}
    for axis, (root, length) in enumerate(zip(roots, lengths, strict=True)):
        at = np.arange(length, dtype=np.int64).reshape([-1 if k == axis else 1 for k in range(len(lengths))])
        for digit in geometry.nest.roots[root].digits:
            value = at // geometry.unit(digit.name)
            values[digit.name] = value % geometry.tiles[digit.name] if digit.name in geometry.tiles else value
        values[root] = at
    return Grid(roots, lengths, values)


def points_left(geometry: Geometry, region: Region, digits: Collection[str], loops: Collection[str]) -> int:
    """Return how many different values *digits* of the named ranks take at points that are left, over all of *loops*."""
    total = 0
    for (lengths, times), left in zip(region.kinds, region.left, strict=True):
        grid = _grid(geometry, region.roots, lengths)
        mine = [
            digit.name for root in region.roots for digit in geometry.nest.roots[root].digits
            if digit.name in digits and digit.name not in loops
        ]  # fmt: skip
        codes = grid.number(mine, [int(grid.values[name].max()) + 1 for name in mine])
        total += times * len(np.unique(np.broadcast_to(codes, lengths)[left]))
    return total
