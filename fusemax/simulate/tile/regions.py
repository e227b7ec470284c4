"""Conditions of other kinds than a band, where no loop moves what they name: masks inside a chunk, three ranks in one body.

Each task then has the same points left, but for short last tiles: all tasks are done, and only useful work is less.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import Einsum, affine, is_variable
from fusemax.language.syntax import names
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Body, Mapped
from fusemax.simulate.tile.bands import Band, band_of, tile_of
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.values import Point

MOST_POINTS = 1 << 24  #: of the ranks that conditions of one Einsum name, in one task
COMPARED: Mapping[str, np.ufunc] = {
    "<=": np.less_equal, "<": np.less, ">=": np.greater_equal, ">": np.greater, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Region:
    """The conditions of each Einsum of a body: for each kind of task how many there are and which points are left.

    A kind has a length for each rank that is named; ``left`` are arrays of bool with an axis for each of ``roots``.
    """

    roots: tuple[str, ...]
    kinds: tuple[tuple[tuple[int, ...], int], ...]
    left: tuple[np.ndarray, ...]


def conditions_of(
    mapped: Mapped, geometry: Geometry, point: Point, body: Body
) -> tuple[Band | None, Mapping[str, Region]]:
    """Return the band of *body*, and where its conditions are none, the region of each Einsum that has any.

    Raises
    ------
    FusemaxError
        Naming a condition that is no band between two ranks, and whose ranks loops around the body move.
    """
    regions: dict[str, Region] = {}
    masked = [e for e in map(mapped.einsum, body.einsums) if e.conditions]
    if len({e.conditions for e in masked}) > 1 or (masked and not _is_plain(geometry, masked[0])):
        for einsum in masked:
            region = _region(geometry, point, body, einsum)
            if region is not None:
                regions[einsum.name] = region
        if len(regions) == len(masked) and any(all(a.any() for a in r.left) for r in regions.values()):
            return None, regions
    return band_of(mapped, geometry, point, body), {}


def _is_plain(geometry: Geometry, einsum: Einsum) -> bool:
    """Return whether the conditions tie two ranks, each as a whole."""
    named = _named(einsum)
    roots = [geometry.nest.roots[name] for name in _roots(geometry, einsum)]
    whole = all(root.name in named or {d.name for d in root.digits} <= named for root in roots)
    return len(roots) == 2 and whole


def _named(einsum: Einsum) -> set[str]:
    sides = [side for condition in einsum.conditions for side in (condition.left, condition.right)]
    return {name for side in sides for name in names(side) if is_variable(name)}


def _root(geometry: Geometry, variable: str) -> str:
    """Return the root of *variable*, a root itself or one of its digits."""
    return variable if variable in geometry.nest.roots else geometry.nest.root_of(variable).name


def _roots(geometry: Geometry, einsum: Einsum) -> tuple[str, ...]:
    return tuple(sorted({_root(geometry, name) for name in _named(einsum)}))


def _region(geometry: Geometry, point: Point, body: Body, einsum: Einsum) -> Region | None:
    """Return the region of *einsum*; None where a loop moves what it names, where it is no sum of ranks, or too large."""
    nest, roots = geometry.nest, _roots(geometry, einsum)
    moving = {loop for loop in body.loops if geometry.points([loop], {}) > 1}
    moved = {nest.root_of(loop).name for loop in moving}
    if any(name in moving or (name in nest.roots and name in moved) for name in _named(einsum)):
        return None
    kinds = list(_kinds(geometry, roots, body.loops))
    if not roots or any(math.prod(lengths) > MOST_POINTS for lengths, _ in kinds):
        return None
    left = [_left(geometry, point, einsum, roots, lengths) for lengths, _ in kinds]
    if any(one is None for one in left):
        return None
    return Region(roots, tuple(kinds), tuple(one for one in left if one is not None))


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


def _values(geometry: Geometry, root: str, length: int, variable: str) -> np.ndarray:
    """Return the value of *variable*, *root* itself or a digit of it, at each of *length* points from a tile's start."""
    at = np.arange(length)
    digits = geometry.nest.roots[root].digits
    if variable == root and len(digits) > 1:
        return at
    value = at // geometry.unit(variable)
    return value % geometry.tiles[variable] if variable in geometry.tiles else value


def _left(
    geometry: Geometry, point: Point, einsum: Einsum, roots: tuple[str, ...], lengths: tuple[int, ...]
) -> np.ndarray | None:
    """Return which points of a task with tiles of *lengths* the conditions leave; None for one that is no sum of ranks."""
    known = {**point.known, **{digit.upper(): float(size) for digit, size in geometry.tiles.items()}}
    left = np.ones(lengths, bool)
    for condition in einsum.conditions:
        one, other = affine(condition.left), affine(condition.right)
        if one is None or other is None or condition.comparison not in COMPARED:
            return None
        total = np.zeros((1,) * len(lengths))
        for sign, (factors, rest) in ((1.0, one), (-1.0, other)):
            total = total + sign * (0.0 if rest is None else finite_value_of(rest, known))
            for variable, factor in factors.items():
                root = _root(geometry, variable)
                axis = roots.index(root)
                shape = [-1 if k == axis else 1 for k in range(len(lengths))]
                value = _values(geometry, root, lengths[axis], variable).reshape(shape)
                total = total + sign * (1.0 if factor is None else finite_value_of(factor, known)) * value
        left &= COMPARED[condition.comparison](total, 0.0)
    return left


def points_left(geometry: Geometry, region: Region, digits: Collection[str], loops: Collection[str]) -> int:
    """Return how many different values *digits* of the named ranks take at points that are left, over all of *loops*."""
    total = 0
    for (lengths, times), left in zip(region.kinds, region.left, strict=True):
        codes = np.zeros((1,) * len(lengths), np.int64)
        for axis, root in enumerate(region.roots):
            shape = [-1 if k == axis else 1 for k in range(len(lengths))]
            for digit in geometry.nest.roots[root].digits:
                if digit.name in digits and digit.name not in loops:
                    value = _values(geometry, root, lengths[axis], digit.name)
                    codes = codes * (int(value.max()) + 1) + value.reshape(shape)
        total += times * len(np.unique(np.broadcast_to(codes, lengths)[left]))
    return total
